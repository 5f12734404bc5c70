"""What is in an image, as a CycloneDX 1.6 document: the packages that it itself says are installed."""

import hashlib
import json
import re
from collections.abc import Iterator
from email.message import Message
from email.parser import BytesParser, Parser
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

from tests.images.archive import layers

Component = dict[str, Any]

PYTHON_PACKAGE = re.compile(r"opt/sluice/.+\.dist-info/METADATA")
DEBIAN_PACKAGES = "var/lib/dpkg/status"
SPDX = re.compile(r"[A-Za-z0-9.+() -]+")


def describe(name: str, archive: Path) -> dict[str, Any]:
    """The document for an image in an oci-archive. The same image has the same document."""
    image, _, version = name.partition(":")
    components = {component["bom-ref"]: component for component in _components(archive)}
    content = json.dumps([name, sorted(components)]).encode()
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{UUID(bytes=hashlib.sha256(content).digest()[:16], version=4)}",
        "version": 1,
        "metadata": {"component": {"type": "container", "bom-ref": name, "name": image, "version": version}},
        "components": [components[ref] for ref in sorted(components)],
    }


def _components(archive: Path) -> Iterator[Component]:
    for path, content in _package_files(archive):
        if path == DEBIAN_PACKAGES:
            for paragraph in content.decode().split("\n\n"):
                if paragraph.strip():
                    yield _debian(Parser().parsestr(paragraph))
        else:
            yield _python(BytesParser().parsebytes(content, headersonly=True))


def _package_files(archive: Path) -> Iterator[tuple[str, bytes]]:
    """What package managers wrote down, from all layers in their order."""
    for layer in layers(archive):
        for member in layer:
            path = member.name.removeprefix("./")
            if member.isfile() and (path == DEBIAN_PACKAGES or PYTHON_PACKAGE.fullmatch(path)):
                content = layer.extractfile(member)
                yield path, content.read() if content else b""


def _python(metadata: Message) -> Component:
    name, version = str(metadata["Name"]), str(metadata["Version"])
    purl = f"pkg:pypi/{re.sub(r'[-_.]+', '-', name).lower()}@{quote(version)}"
    component = _component(name, version, purl)
    expression = metadata["License-Expression"]
    if expression and SPDX.fullmatch(expression):
        component["licenses"] = [{"expression": str(expression)}]
    return component


def _debian(paragraph: Message) -> Component:
    name, version, architecture = (str(paragraph[field]) for field in ("Package", "Version", "Architecture"))
    return _component(name, version, f"pkg:deb/debian/{quote(name)}@{quote(version)}?arch={architecture}")


def _component(name: str, version: str, purl: str) -> Component:
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
