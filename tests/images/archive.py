"""The inside of an oci-archive: its layers and their files."""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any


def layers(archive: Path) -> Iterator[tarfile.TarFile]:
    """Each layer, the base's first; good until the next one is asked for."""
    with tarfile.open(archive) as outer:
        index = json.load(_open(outer, "index.json"))
        manifest = json.load(_open(outer, _blob(index["manifests"][0])))
        for layer in manifest["layers"]:
            with tarfile.open(fileobj=_open(outer, _blob(layer)), mode="r:*") as inner:
                yield inner


def added_bytes(archive: Path) -> int:
    """The size of all files that it has beside those of its base, which is its first layer."""
    _base, *others = (sum(member.size for member in layer) for layer in layers(archive))
    return sum(others)


def config(archive: Path) -> dict[str, Any]:
    """How containers of the image are run."""
    with tarfile.open(archive) as outer:
        index = json.load(_open(outer, "index.json"))
        manifest = json.load(_open(outer, _blob(index["manifests"][0])))
        document: dict[str, Any] = json.load(_open(outer, _blob(manifest["config"])))["config"]
    return document


def _open(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    stream = archive.extractfile(name)
    if stream is None:
        raise ValueError(f"{name} is not a file")
    return stream


def _blob(descriptor: dict[str, Any]) -> str:
    return "blobs/" + str(descriptor["digest"]).replace(":", "/")
