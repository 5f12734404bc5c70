"""JSON schemas in the form that Anthropic holds models to: beside its own SDK's."""

from typing import Any

import pytest
from anthropic import transform_schema

from sluice_gateway.providers.anthropic.schemas import closed, opens

PERSON = {
    "$defs": {"place": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}},
    "type": "object",
    "title": "Person",
    "properties": {
        "name": {"type": "string", "format": "email", "description": "Whose"},
        "home": {"anyOf": [{"$ref": "#/$defs/place"}, {"type": "null"}]},
        "ages": {"type": "array", "items": {"type": "integer"}, "minItems": 1},
        "kind": {"enum": ["a", "b"]},
        "one": {"const": 1},
    },
    "required": ["name"],
}


def test_a_schema_that_both_can_say_is_what_the_sdk_makes_of_it() -> None:
    assert closed(PERSON) == transform_schema(dict(PERSON))


@pytest.mark.parametrize(
    ("schema", "same"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 9}, {"type": "integer", "description": "minimum: 1, maximum: 9"}),
        ({"type": "string", "minLength": 1, "description": "x"}, {"type": "string", "description": "x (minLength: 1)"}),
        ({"type": "array", "minItems": 2}, {"type": "array", "description": "minItems: 2"}),
        ({"type": "string", "format": "phone"}, {"type": "string", "description": "format: phone"}),
        ({"type": "string", "format": ["odd"]}, {"type": "string", "description": "format: ['odd']"}),
        ({"oneOf": [{"type": "null"}]}, {"anyOf": [{"type": "null"}]}),
        ({"type": ["object", "null"]}, {"type": ["object", "null"], "additionalProperties": False}),
        ({"properties": {"minimum": {"type": "null"}}}, {"properties": {"minimum": {"type": "null"}}}),
        ({"type": "string", "pattern": "a", "default": "a"}, {"type": "string", "pattern": "a", "default": "a"}),
        ({"properties": [5], "anyOf": 7, "items": True}, {"properties": [5], "anyOf": 7, "items": True}),
    ],
)
def test_what_anthropic_does_not_know_is_said_in_words(schema: dict[str, Any], same: dict[str, Any]) -> None:
    found = closed(schema)
    if "properties" in schema:
        assert found.pop("additionalProperties") is False
    assert found == same


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "additionalProperties": True},
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"type": "array", "items": {"type": "object", "additionalProperties": {}}},
        {"anyOf": [{"type": "null"}, {"type": "object", "additionalProperties": True}]},
        {"$defs": {"a": {"properties": {"b": {"type": ["object", "null"], "additionalProperties": True}}}}},
    ],
)
def test_an_object_of_any_members_is_found_wherever_it_stands(schema: dict[str, Any]) -> None:
    assert opens(schema)


@pytest.mark.parametrize("schema", [PERSON, {}, {"type": "object", "additionalProperties": False}, True, None, [5]])
def test_other_schemas_lose_nothing(schema: Any) -> None:
    assert not opens(schema)
