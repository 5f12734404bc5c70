"""JSON schemas that Anthropic holds a model to (Claude docs, "Structured outputs", on JSON Schema's limitations).

Objects must be closed, and bounds of numbers, strings and lists are not known: they are said in the description
instead, where the model reads them, as Anthropic's own SDKs do. Anything else is passed on as it is.
"""

from collections.abc import Mapping
from typing import Any

# "$ref" and "format" are looked at apart; recursion and outer references are refused by Anthropic itself.
_UNKNOWN = frozenset(
    {
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "maxItems",
        "uniqueItems",
        "minProperties",
        "maxProperties",
    }
)
_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"},
)
_OF_SCHEMAS = ("properties", "$defs", "definitions")
_LISTS = ("anyOf", "allOf", "oneOf")
_MOST_ITEMS = 1  # minItems may be 0 or 1


def closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """``schema`` in the form that Anthropic takes."""
    found: dict[str, Any] = {}
    unsaid: dict[str, Any] = {}
    for name, value in schema.items():
        if _is_unknown(name, value):
            unsaid[name] = value
        else:
            found["anyOf" if name == "oneOf" and "anyOf" not in schema else name] = _inner(name, value)
    if _is_object(schema):
        found["additionalProperties"] = False
    if unsaid:
        said = ", ".join(f"{name}: {value}" for name, value in unsaid.items())
        before = schema.get("description")
        found["description"] = f"{before} ({said})" if isinstance(before, str) and before else said
    return found


def opens(schema: Any) -> bool:
    """Whether an object in ``schema`` asks for members that it does not name: those would be lost."""
    if isinstance(schema, list):
        return any(map(opens, schema))
    if not isinstance(schema, dict):
        return False
    beyond = schema.get("additionalProperties")
    if _is_object(schema) and beyond is not None and beyond is not False:
        return True
    return any(opens(schema.get(name)) for name in ("items", *_LISTS)) or any(
        opens(list(named.values())) for name in _OF_SCHEMAS if isinstance(named := schema.get(name), dict)
    )


def _inner(name: str, value: Any) -> Any:
    if name in _OF_SCHEMAS and isinstance(value, dict):
        return {key: closed(inner) if isinstance(inner, dict) else inner for key, inner in value.items()}
    if name in _LISTS and isinstance(value, list):
        return [closed(inner) if isinstance(inner, dict) else inner for inner in value]
    return closed(value) if name == "items" and isinstance(value, dict) else value


def _is_unknown(name: str, value: Any) -> bool:
    if name == "format":
        return not isinstance(value, str) or value not in _FORMATS
    if name == "minItems":
        return not (isinstance(value, int) and value <= _MOST_ITEMS)
    return name in _UNKNOWN


def _is_object(schema: Mapping[str, Any]) -> bool:
    kind = schema.get("type")
    return kind == "object" or (isinstance(kind, list) and "object" in kind) or "properties" in schema
