"""JSON schemas as Gemini takes them in parametersJsonSchema and responseJsonSchema (Gemini API reference,
"GenerationConfig").

A schema may be sent whole; what Gemini has no support for it passes over. Only what it would refuse or misread is put
in other words of the same meaning: keywords beside a $ref, definitions of the older drafts, const, OpenAPI's nullable,
and an allOf of one.
"""

from typing import Any

_SCHEMAS = ("items", "additionalProperties", "not", "contains", "propertyNames", "if", "then", "else")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems", "items")
_MAPS = ("properties", "$defs", "definitions", "patternProperties")
_OLD, _NEW = "#/definitions/", "#/$defs/"


def fitted(schema: Any) -> Any:
    """A schema in words that Gemini understands; true and false stay what they are."""
    if not isinstance(schema, dict):
        return schema
    fit = {name: _member(name, value) for name, value in schema.items()}
    if isinstance(definitions := fit.get("definitions"), dict):
        del fit["definitions"]
        fit["$defs"] = definitions | fit.get("$defs", {})
    if "const" in fit:
        fit.setdefault("enum", [fit["const"]])
        del fit["const"]
    if isinstance(ref := fit.get("$ref"), str) and ref.startswith(_OLD):
        fit["$ref"] = _NEW + ref[len(_OLD) :]
    return _alone(_with_null(_without_single_all(fit)))


def _member(name: str, value: Any) -> Any:
    if name in _MAPS and isinstance(value, dict):
        return {key: fitted(schema) for key, schema in value.items()}
    if name in _LISTS and isinstance(value, list):
        return [fitted(item) for item in value]
    return fitted(value) if name in _SCHEMAS else value


def _alone(schema: dict[str, Any]) -> dict[str, Any]:
    """A $ref must stand alone, or beside other members that begin with a $."""
    if "$ref" not in schema or "anyOf" in schema or all(name.startswith("$") for name in schema):
        return schema
    rest = {name: value for name, value in schema.items() if name != "$ref"}
    return rest | {"anyOf": [{"$ref": schema["$ref"]}]}


def _without_single_all(schema: dict[str, Any]) -> dict[str, Any]:
    """allOf is unknown to Gemini; one of a single schema, a habit of some generators, says what its schema says."""
    parts = schema.get("allOf")
    if not isinstance(parts, list) or len(parts) != 1 or not isinstance(parts[0], dict):
        return schema
    rest = {name: value for name, value in schema.items() if name != "allOf"}
    return rest | parts[0] if rest.keys().isdisjoint(parts[0]) else schema


def _with_null(schema: dict[str, Any]) -> dict[str, Any]:
    """OpenAPI's nullable, in the words of JSON Schema."""
    nullable = schema.get("nullable")
    if not isinstance(nullable, bool):
        return schema
    rest = {name: value for name, value in schema.items() if name != "nullable"}
    if not nullable:
        return rest
    if isinstance(kind := rest.get("type"), str):
        return rest | {"type": [kind, "null"]}
    if isinstance(choices := rest.get("anyOf"), list):
        return rest | {"anyOf": [*choices, {"type": "null"}]}
    if "$ref" in rest:
        return rest | {"anyOf": [{"$ref": rest.pop("$ref")}, {"type": "null"}]}
    return rest
