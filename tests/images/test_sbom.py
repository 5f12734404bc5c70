"""An SBOM names what package managers wrote down in the image's layers."""

import gzip
import hashlib
import json
from pathlib import Path

from tests.cluster.build import tar
from tests.images.archive import added_bytes
from tests.images.sbom import describe

METADATA = "opt/sluice/lib/python3.13/site-packages/{name}.dist-info/METADATA"
STATUS = b"""Package: libc6
Architecture: amd64
Version: 2.41-12+deb13u1

Package: tar
Architecture: amd64
Version: 1.35+dfsg-3.1
"""


def archive(path: Path, *layers: dict[str, bytes]) -> Path:
    """An oci-archive with these layers."""
    blobs: dict[str, bytes] = {}

    def stored(content: bytes) -> dict[str, str]:
        digest = hashlib.sha256(content).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = content
        return {"digest": f"sha256:{digest}"}

    described = [stored(gzip.compress(tar(layer, mode=0o644))) for layer in layers]
    manifest = stored(json.dumps({"config": stored(b"{}"), "layers": described}).encode())
    path.write_bytes(tar(blobs | {"index.json": json.dumps({"manifests": [manifest]}).encode()}, mode=0o644))
    return path


def test_packages_of_all_layers_are_named(tmp_path: Path) -> None:
    python = b"Metadata-Version: 2.4\nName: Typing_Extensions\nVersion: 4.15.0\nLicense-Expression: PSF-2.0\n\nText"
    made = archive(
        tmp_path / "image.tar",
        {"var/lib/dpkg/status": STATUS, "etc/passwd": b"root"},
        {METADATA.format(name="typing_extensions-4.15.0"): python, "opt/sluice/bin/sluice": b"#!"},
    )
    document = describe("sluice-gateway:1.2.3", made)
    assert [component["purl"] for component in document["components"]] == [
        "pkg:deb/debian/libc6@2.41-12%2Bdeb13u1?arch=amd64",
        "pkg:deb/debian/tar@1.35%2Bdfsg-3.1?arch=amd64",
        "pkg:pypi/typing-extensions@4.15.0",
    ]
    assert document["components"][2]["licenses"] == [{"expression": "PSF-2.0"}]
    assert document["metadata"]["component"]["version"] == "1.2.3"
    assert describe("sluice-gateway:1.2.3", made) == document


def test_what_an_image_adds_is_what_lies_on_its_base(tmp_path: Path) -> None:
    assert added_bytes(archive(tmp_path / "image.tar", {"a": b"12345"}, {"b": b"1"}, {"c": b"12"})) == 3
