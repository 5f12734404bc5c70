"""Plain documents to the objects that Sluice reads: its own kinds, Secrets and ConfigMaps. All else is passed over."""

import base64
import binascii
import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sluice_config.findings import Finding, Level
from sluice_config.resources import (
    API_VERSION,
    GROUP,
    KINDS,
    CachePolicy,
    InvalidResource,
    ModelRoute,
    Problem,
    ProviderPolicy,
    ResourceKey,
    parse_resource,
)
from sluice_gateway.credentials import Secret
from sluice_gateway.sources.documents import Document, InvalidYAML, parse

INVALID = "Invalid"
IGNORED = "Ignored"
"""Reasons of findings about files. Those about resources have the reasons of conditions."""

_NAME = re.compile(r"[-.a-z0-9]{1,253}")
_DATA_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")


@dataclass(frozen=True, slots=True)
class SecretData:
    """A Secret's values by key, and the field of each.

    Values are checked where they are used: a Secret may hold certificates too.
    """

    values: Mapping[str, Secret]
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ConfigMapData:
    """A ConfigMap, as far as references to it are checked."""

    keys: frozenset[str]


Content = ModelRoute | ProviderPolicy | CachePolicy | SecretData | ConfigMapData


@dataclass(frozen=True, slots=True)
class Object:
    """One object. ``lines`` are its document's; ``path`` is where in there it is: "", or "items[2]" of a List."""

    key: ResourceKey
    content: Content
    lines: Mapping[str, int]
    path: str

    def line(self, field: str) -> int:
        """The line of a field, in the text that was read."""
        return Document(None, self.lines).line(_join(self.path, field))


@dataclass(frozen=True, slots=True)
class Remark:
    """A finding, and its line in the text that was read."""

    finding: Finding
    line: int


@dataclass(frozen=True, slots=True)
class Piece:
    """All that one piece of text says."""

    objects: tuple[Object, ...]
    remarks: tuple[Remark, ...]


class _Ignored(Exception):
    """The object is none of ours. ``why`` is None where nobody needs to be told."""

    def __init__(self, why: str | None = None) -> None:
        super().__init__(why)
        self.why = why


def read_piece(text: str) -> Piece:
    """Read one piece of a file. Never raises: what is wrong is in the remarks."""
    objects: list[Object] = []
    remarks: list[Remark] = []
    try:
        documents = parse(text)
    except InvalidYAML as error:
        return Piece((), (Remark(Finding(None, "", Level.ERROR, INVALID, error.reason), error.line),))
    for document in documents:
        for value, path in _items(document.value, ""):
            try:
                key, content = _read(value)
                objects.append(Object(key, content, document.lines, path))
            except InvalidResource as error:
                for problem in error.problems:
                    finding = Finding(_key(value), problem.field, Level.ERROR, INVALID, problem.message)
                    remarks.append(Remark(finding, document.line(_join(path, problem.field))))
            except _Ignored as ignored:
                if ignored.why:
                    finding = Finding(_key(value), "", Level.INFO, IGNORED, ignored.why)
                    remarks.append(Remark(finding, document.line(path)))
    return Piece(tuple(objects), tuple(remarks))


def _items(value: Any, path: str) -> Iterator[tuple[Any, str]]:
    """The objects of a document: itself, or what its ``kind: List`` holds, Lists in it included, as kubectl does."""
    if isinstance(value, dict) and value.get("kind") == "List" and isinstance(value.get("items"), list):
        for index, item in enumerate(value["items"]):
            yield from _items(item, _join(path, f"items[{index}]"))
    elif value is not None:
        yield value, path


def _join(path: str, field: str) -> str:
    return f"{path}.{field}" if path and field else path or field


def _read(value: Any) -> tuple[ResourceKey, Content]:
    """Raises InvalidResource, and _Ignored for what is not Sluice's."""
    if isinstance(value, list):
        raise _Ignored("a list is no Kubernetes object: ignored")
    if not isinstance(value, dict):
        # Nothing else looks like this, and half of a file that is being written does.
        raise InvalidResource([Problem("", "this is no Kubernetes object: it has no fields")])
    version, kind = value.get("apiVersion"), value.get("kind")
    group = version.split("/")[0] if isinstance(version, str) else None
    if group == GROUP or (version is None and kind in KINDS):
        resource = parse_resource(value)
        return resource.key, resource
    if version is None or kind is None:
        raise _Ignored("no Kubernetes object, since it lacks apiVersion or kind: ignored")
    if version == "v1" and kind == "Secret":
        return _core_key(value), _secret(value)
    if version == "v1" and kind == "ConfigMap":
        return _core_key(value), _config_map(value)
    if kind in KINDS and difflib.get_close_matches(str(version), [API_VERSION], cutoff=0.95):
        raise InvalidResource([Problem("apiVersion", f"is not known; did you mean {API_VERSION}?")])
    raise _Ignored(f"not of the API group {GROUP}: ignored" if kind in KINDS else None)


def _core_key(value: Mapping[str, Any]) -> ResourceKey:
    key = _key(value)
    if key is None:
        raise InvalidResource([Problem("metadata.name", "is required: lower-case letters, digits, hyphens and dots")])
    return key


def _key(value: Any) -> ResourceKey | None:
    """Who an object says it is, if its names are ones that a terminal can be shown."""
    if not isinstance(value, dict) or not isinstance(metadata := value.get("metadata"), dict):
        return None
    kind, name, namespace = value.get("kind"), metadata.get("name"), metadata.get("namespace") or "default"
    if kind not in (*KINDS, "Secret", "ConfigMap") or not _is_name(name) or not _is_name(namespace):
        return None
    return ResourceKey(str(kind), str(namespace), str(name))


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def _secret(value: Mapping[str, Any]) -> SecretData:
    if "sops" in value:
        raise _Ignored("encrypted by sops: ignored")
    values: dict[str, Secret] = {}
    fields: dict[str, str] = {}
    problems: list[Problem] = []
    for section, read in (
        ("data", _decoded),
        ("stringData", _text),
    ):  # in this order: stringData wins at the API server
        for key, content in _entries(value, section):
            if (secret := read(content)) is None:
                wanted = "base64 text" if section == "data" else "a string: quote it"
                problems.append(Problem(f"{section}.{key}", f"must be {wanted}"))
            else:
                values[key], fields[key] = secret, f"{section}.{key}"
    if problems:
        raise InvalidResource(problems)
    return SecretData(values, fields)


def _config_map(value: Mapping[str, Any]) -> ConfigMapData:
    return ConfigMapData(frozenset(key for section in ("data", "binaryData") for key, _ in _entries(value, section)))


def _entries(value: Mapping[str, Any], section: str) -> Iterable[tuple[str, Any]]:
    entries = value.get(section)
    if entries is None:
        return ()
    if not isinstance(entries, dict):
        raise InvalidResource([Problem(section, "must be an object with fields")])
    if not all(_DATA_KEY.fullmatch(key) for key in entries):
        raise InvalidResource([Problem(section, "keys must be letters, digits, hyphens, underscores and dots")])
    return entries.items()


def _decoded(content: Any) -> Secret | None:
    """A value of ``data``. Base64 may be broken into lines. What is not text stays unreadable, but is there."""
    if content is None:
        return Secret("")
    if not isinstance(content, str):
        return None
    try:
        data = base64.b64decode("".join(content.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    return Secret(data.decode("utf-8", "surrogateescape"))


def _text(content: Any) -> Secret | None:
    if content is None:
        return Secret("")
    return Secret(content) if isinstance(content, str) else None
