"""YAML text to plain documents that know the line of each field.

Values are what kubectl would send: dict, list, str, int, float, bool and None. What it would guess about is refused:
duplicate keys, text that is not UTF-8, control characters; and what could take the process down: deep nesting and
aliases that expand without bound.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from yaml import CSafeLoader, MarkedYAMLError, YAMLError
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from sluice_gateway.sources.scalars import Scalar, key_text, resolve

DEEPEST = 100
"""Levels of nesting. The schemas in CustomResourceDefinitions, the deepest of real objects, reach about 40."""

MOST_ALIASED = 100_000
"""Nodes of one document that aliases may stand for. A billion laughs end here."""

_SEPARATOR = re.compile(r"^---(?=[ \t\r\n]|\Z)", re.MULTILINE)
_DIRECTIVE = re.compile(r"^%", re.MULTILINE)
_UNREADABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PAIR = re.compile(
    r"(?P<before>(?<!\\)(?:\\\\)*)\\u(?P<high>[dD][89abAB][0-9a-fA-F]{2})\\u(?P<low>[dD][c-fC-F][0-9a-fA-F]{2})"
)
_TAG = "tag:yaml.org,2002:"
_TYPES: Mapping[str, tuple[type, ...]] = {
    f"{_TAG}int": (int,),
    f"{_TAG}float": (float, int),
    f"{_TAG}bool": (bool,),
    f"{_TAG}null": (type(None),),
}


class InvalidYAML(ValueError):
    """The text is no YAML that can be used. ``line`` counts from 1; ``reason`` never repeats what the text says."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Document:
    """One document. ``lines``: path of a field ("spec.targets[0].provider") -> line, from 1, in the parsed text."""

    value: Any
    lines: Mapping[str, int]

    def line(self, path: str) -> int:
        """Where a field is; for one that is not there, where its nearest parent is."""
        while path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.lines[path]


def decode(data: bytes, *, is_json: bool = False) -> str:
    """The text of a file. Raises InvalidYAML when it is not UTF-8 or holds characters that YAML does not allow.

    JSON is YAML but for one thing: its way to write characters beyond U+FFFF, which is replaced by the character.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        hint = "; save it as UTF-8" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ""
        raise InvalidYAML(data.count(b"\n", 0, error.start) + 1, f"not UTF-8 text{hint}") from None
    if bad := _UNREADABLE.search(text):
        reason = f"the control character U+{ord(bad[0]):04X} is not allowed"
        raise InvalidYAML(text.count("\n", 0, bad.start()) + 1, reason)
    return _PAIR.sub(_joined, text) if is_json else text


def _joined(match: re.Match[str]) -> str:
    pair = bytes.fromhex(match["high"] + match["low"])
    return match["before"] + pair.decode("utf-16-be")


def cut(text: str) -> Iterator[tuple[int, str]]:
    """Cut a stream into pieces that can be parsed apart: (number of lines before the piece, piece).

    ``---`` at the start of a line always begins a document: YAML allows it inside none, not even in a block scalar.
    Directives (``%YAML``, ``%TAG``) would be cut off from their document, so that text which has any stays whole.
    """
    if _DIRECTIVE.search(text):
        yield 0, text
        return
    start = line = 0
    for separator in _SEPARATOR.finditer(text):
        if separator.start() > start:
            yield line, text[start : separator.start()]
        line += text.count("\n", start, separator.start())
        start = separator.start()
    yield line, text[start:]


def parse(text: str) -> list[Document]:
    """All documents of a text; a piece of comments has none. Raises InvalidYAML."""
    events = CSafeLoader(text)
    documents = []
    try:
        while not isinstance(event := events.get_event(), StreamEndEvent):
            if isinstance(event, DocumentStartEvent):
                documents.append(_Builder(events).document())
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        last = max(len(text.splitlines()), 1)  # what is missing at the end is reported on a line after it
        raise InvalidYAML(min(mark.line + 1, last) if mark else 1, _reason(error, text)) from None
    except YAMLError as error:
        raise InvalidYAML(1, "not YAML") from error
    return documents


def _reason(error: MarkedYAMLError, text: str) -> str:
    mark = error.problem_mark
    if mark and error.problem == "found character that cannot start any token":
        lines = text.splitlines()
        if mark.line < len(lines) and lines[mark.line][mark.column : mark.column + 1] == "\t":
            return "not YAML: a tab can't be used for indentation"
    return f"not YAML: {error.problem}" + (f" {error.context}" if error.context else "")


@dataclass(slots=True)
class _Anchored:
    """What an anchor stands for; ``size`` in nodes, its own aliases expanded. Not ``done`` while inside of itself."""

    value: Any = None
    size: int = 0
    done: bool = False


@dataclass(slots=True)
class _Builder:
    """Builds one document from the parser's events, which come in document order."""

    events: CSafeLoader
    lines: dict[str, int] = field(default_factory=dict)
    anchors: dict[str, _Anchored] = field(default_factory=dict)
    size: int = 0
    aliased: int = 0

    def document(self) -> Document:
        event = self._next()
        self.lines[""] = _line(event)
        return Document(self._node(event, "", 0), self.lines)

    def _next(self) -> Event:
        event = self.events.get_event()
        if event is None:
            raise InvalidYAML(1, "not YAML: the text ends too early")
        return event

    def _node(self, event: Event, path: str, depth: int) -> Any:
        if depth > DEEPEST:
            raise InvalidYAML(_line(event), f"nested deeper than {DEEPEST} levels")
        if isinstance(event, AliasEvent):
            return self._alias(event)
        anchored = _Anchored()
        before = self.size
        if isinstance(event, NodeEvent) and event.anchor is not None:
            self.anchors[event.anchor] = anchored
        self.size += 1
        if isinstance(event, MappingStartEvent):
            value: Any = self._mapping(path, depth)
        elif isinstance(event, SequenceStartEvent):
            value = self._sequence(path, depth)
        else:
            value = _scalar(event)
        anchored.value, anchored.size, anchored.done = value, self.size - before, True
        return value

    def _alias(self, event: AliasEvent) -> Any:
        anchored = self.anchors.get(event.anchor or "")
        if anchored is None or not anchored.done:
            raise InvalidYAML(_line(event), "an alias refers to itself" if anchored else "an alias has no anchor")
        self.size += anchored.size
        self.aliased += anchored.size
        if self.aliased > MOST_ALIASED:
            raise InvalidYAML(_line(event), f"aliases stand for more than {MOST_ALIASED} values")
        return anchored.value

    def _sequence(self, path: str, depth: int) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := self._next(), SequenceEndEvent):
            item = f"{path}[{len(items)}]"
            self.lines[item] = _line(event)
            items.append(self._node(event, item, depth + 1))
        return items

    def _mapping(self, path: str, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        merged: list[Mapping[str, Any]] = []
        while not isinstance(event := self._next(), MappingEndEvent):
            line = _line(event)
            if _is_merge(event):
                merged += _mappings(self._node(self._next(), path, depth + 1), line)
                continue
            key = self._key(event, depth)
            if key in values:
                raise InvalidYAML(line, "the same key stands twice in one mapping")
            at = f"{path}.{key}" if path else key
            self.lines[at] = line
            values[key] = self._node(self._next(), at, depth + 1)
        for other in merged:
            values |= {key: value for key, value in other.items() if key not in values}
        return values

    def _key(self, event: Event, depth: int) -> str:
        key = self._node(event, "", depth + 1) if isinstance(event, ScalarEvent | AliasEvent) else {}
        if isinstance(key, dict | list):
            raise InvalidYAML(_line(event), "a mapping's key must be a single value; quote it if it begins with { or [")
        try:
            return key_text(key)
        except ValueError as error:
            raise InvalidYAML(_line(event), str(error)) from None


def _scalar(event: Event) -> Scalar:
    if not isinstance(event, ScalarEvent):
        raise InvalidYAML(_line(event), "not YAML: a value is missing")
    tag, text = event.tag, event.value
    if tag is None and not event.implicit[0]:
        return text
    if tag is not None and tag not in _TYPES:
        return text  # "!" and !!str make a string, and so do other tags to kubectl
    try:
        value = resolve(text)
    except ValueError as error:
        raise InvalidYAML(_line(event), str(error)) from None
    if tag is not None and type(value) not in _TYPES[tag]:
        raise InvalidYAML(_line(event), f"the value is not what its tag !!{tag.removeprefix(_TAG)} says")
    return value


def _is_merge(event: Event) -> bool:
    return isinstance(event, ScalarEvent) and event.value == "<<" and event.implicit[0]


def _mappings(value: Any, line: int) -> list[Mapping[str, Any]]:
    """What ``<<`` merges: a mapping, or a list of them of which the first that has a key wins."""
    found = value if isinstance(value, list) else [value]
    if not all(isinstance(one, dict) for one in found):
        raise InvalidYAML(line, "<< takes a mapping or a list of mappings")
    return found


def _line(event: Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1
