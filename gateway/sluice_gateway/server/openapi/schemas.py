"""JSON schemas (draft 2020-12, as OpenAPI 3.1 has them), written short.

Objects are open: a member that is not named here is passed on where a provider may know it, and refused by name where
none does.
"""

from collections.abc import Mapping, Sequence
from typing import Any

Schema = dict[str, Any]


def text(description: str = "", *, values: Sequence[str | None] = (), example: str | None = None) -> Schema:
    """A string, or one of these values."""
    schema: Schema = {"type": ["string", "null"] if None in values else "string"}
    if values:
        schema["enum"] = list(values)
    if example is not None:
        schema["examples"] = [example]
    return _with(schema, description)


def whole(description: str = "", *, least: int | None = None, most: int | None = None) -> Schema:
    """A whole number."""
    bounds = {name: bound for name, bound in (("minimum", least), ("maximum", most)) if bound is not None}
    return _with({"type": "integer", **bounds}, description)


def number(description: str = "") -> Schema:
    """Any number."""
    return _with({"type": "number"}, description)


def flag(description: str = "") -> Schema:
    """True or false."""
    return _with({"type": "boolean"}, description)


def constant(value: str) -> Schema:
    """A word that is always the same."""
    return {"type": "string", "const": value}


def array(items: Schema, description: str = "", *, least: int = 0) -> Schema:
    """A list."""
    schema = {"type": "array", "items": items} | ({"minItems": least} if least else {})
    return _with(schema, description)


def record(members: Mapping[str, Schema] | None = None, needed: Sequence[str] = (), description: str = "") -> Schema:
    """An object; ``needed`` are the members that must be there."""
    schema: Schema = {"type": "object", "additionalProperties": True}
    if members:
        schema["properties"] = dict(members)
    if needed:
        schema["required"] = list(needed)
    return _with(schema, description)


def asked(members: Mapping[str, Schema], needed: Sequence[str] = (), description: str = "") -> Schema:
    """The same of a request, in which null says no more than absence."""
    open_members = {name: one if name in needed else optional(one) for name, one in members.items()}
    return record(open_members, needed, description)


def either(*schemas: Schema, description: str = "") -> Schema:
    """One of several forms."""
    return _with({"anyOf": list(schemas)}, description)


def optional(schema: Schema) -> Schema:
    """Null as well."""
    kind = schema.get("type")
    if not isinstance(kind, str):
        return schema if isinstance(kind, list) else _null_beside(schema)
    changed = schema | {"type": [kind, "null"]}
    return changed | {"enum": [*schema["enum"], None]} if "enum" in schema else changed


def ref(name: str) -> Schema:
    """A schema of the document, by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def referred(document: Any, schemas: Mapping[str, Any]) -> list[str]:
    """The schemas that a document refers to, directly or not, in the order of their first use."""
    found: dict[str, None] = {}
    waiting = [document]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, Mapping):
            name = str(one.get("$ref", "")).rpartition("/")[2]
            if name and name not in found:
                found[name] = None
                waiting.append(schemas[name])
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)
    return list(found)


def _null_beside(schema: Schema) -> Schema:
    told = {"description": schema["description"]} if "description" in schema else {}
    bare = {name: value for name, value in schema.items() if name != "description"}
    forms = bare.pop("anyOf", None) or [bare]
    return {"anyOf": [*forms, {"type": "null"}], **told}


def _with(schema: Schema, description: str) -> Schema:
    return schema | {"description": description} if description else schema
