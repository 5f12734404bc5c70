"""Instances of JSON schemas, filled with what a text offers: its numbers, its quoted words, its names."""

import re
from dataclasses import dataclass, field
from typing import Any

from tests.support.model_server.conversation import Schema

_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w])")
_QUOTED = re.compile(r"\"([^\"]+)\"|(?<!\w)'([^']+)'(?!\w)")
_NAME = re.compile(r"(?<![.?!:]\s)(?<!^)(?<![\w'\"])[A-Z][\w-]*(?: [A-Z][\w-]*)*(?:, [A-Z]{2}\b)?")
_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_MOST_DEPTH = 8  # a recursive schema ends there, with what it does not require left out


@dataclass
class Evidence:
    """What a text offers to fill values with; each number and each name is used once."""

    text: str
    numbers: list[int | float] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, text: str) -> "Evidence":
        """Read a text."""
        numbers = [float(number) if "." in number else int(number) for number in _NUMBER.findall(text)]
        quoted = ["".join(pair) for pair in _QUOTED.findall(text)]
        names = [name for name in _NAME.findall(text) if name != "I" and not any(name in one for one in quoted)]
        return cls(text, numbers, quoted + names)


def instance(schema: Schema, text: str) -> Any:
    """A value that satisfies ``schema``, made of ``text``; of what is no schema, nothing."""
    try:
        return _Filler(schema, Evidence.of(text)).value(schema, "value", 0)
    except (AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError):
        return {}


class _Filler:
    def __init__(self, root: Schema, evidence: Evidence) -> None:
        self._root = root
        self._evidence = evidence

    def value(self, schema: Any, name: str, depth: int) -> Any:
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._one_of(schema["enum"])
        for union in ("anyOf", "oneOf"):
            if union in schema:
                return self.value(_first_that_says_something(schema[union]), name, depth)
        kind = _type_of(schema)
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return self._array(schema, name, depth)
        if kind in ("integer", "number"):
            return self._number(schema, whole=kind == "integer")
        if kind == "boolean":
            return not re.search(r"\b(no|not|without|never|false)\b", self._evidence.text, re.IGNORECASE)
        return None if kind == "null" else self._string(schema, name)

    def _resolved(self, schema: Any) -> Schema:
        if not isinstance(schema, dict):
            return {}
        while "$ref" in schema:
            target: Any = self._root
            for step in schema["$ref"].removeprefix("#").strip("/").split("/"):
                target = target[step] if step else target
            schema = target | {key: item for key, item in schema.items() if key != "$ref"}
        resolved: Schema = schema
        for part in schema.get("allOf", ()):
            resolved = self._resolved(part) | resolved
        return resolved

    def _one_of(self, values: list[Any]) -> Any:
        lowered = self._evidence.text.lower()
        mentioned = [value for value in values if isinstance(value, str) and value.lower() in lowered]
        return (mentioned or values)[0]

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        required = schema.get("required") or []
        properties: dict[str, Any] = schema.get("properties") or {}
        filled = {}
        for name, inner in properties.items():
            if name in required or (depth < _MOST_DEPTH and self._speaks_of(name, self._resolved(inner))):
                filled[name] = self.value(inner, name, depth + 1)
        return filled

    def _speaks_of(self, name: str, schema: Schema) -> bool:
        """Whether the text has something for a property that may be left out."""
        lowered = self._evidence.text.lower()
        if "enum" in schema:
            return any(str(value).lower() in lowered for value in schema["enum"])
        return name.replace("_", " ").lower() in lowered

    def _array(self, schema: Schema, name: str, depth: int) -> list[Any]:
        inner = self._resolved(schema.get("items") or {})
        kind = _type_of(inner)
        offered = {"string": len(self._evidence.names), "integer": len(self._evidence.numbers)}
        offered["number"] = offered["integer"]
        count = offered.get(kind, 1) if "enum" not in inner else 1
        least, most = schema.get("minItems", 0), schema.get("maxItems", 10)
        if depth >= _MOST_DEPTH:
            count = 0
        count = min(max(count, least, int(depth < _MOST_DEPTH)), most)
        return [self.value(inner, name, depth + 1) for _ in range(count)]

    def _number(self, schema: Schema, *, whole: bool) -> int | float:
        numbers = self._evidence.numbers
        found = numbers.pop(0) if numbers else 1
        if "minimum" in schema:
            found = max(found, schema["minimum"])
        if "maximum" in schema:
            found = min(found, schema["maximum"])
        return int(found) if whole else found

    def _string(self, schema: Schema, name: str) -> str:
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        names = self._evidence.names
        found: str = names.pop(0) if names else f"{name.replace('_', ' ')}: {self._evidence.text.strip()}"
        found = found[: schema.get("maxLength", len(found))]
        return found.ljust(int(schema.get("minLength", 0)), ".")


def _type_of(schema: Schema) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    if kind is None:
        kind = "object" if "properties" in schema else "string"
    return str(kind).lower()  # Google writes types in capitals


def _first_that_says_something(schemas: list[Any]) -> Any:
    return next((one for one in schemas if not (isinstance(one, dict) and one.get("type") == "null")), schemas[0])
