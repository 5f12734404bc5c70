"""From models to structural schemas: each feature in one small section."""

from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError

from sluice_config.resources import Rule, Section
from sluice_config.resources.base import Unique
from sluice_config.resources.schema import field_docstrings, structural


class Inner(Section):
    """A part
    of a whole.
    """

    rules = (
        Rule(
            cel="self.low <= self.high",
            message="low must not exceed high",
            holds=lambda self: self.low <= self.high,
            field="low",
        ),
        Rule(cel="self.high >= oldSelf.high", message="high can only be raised"),
    )

    low: int = Field(default=1, ge=0, le=9)
    """The lower end."""
    high: int = Field(default=2, ge=0, le=9)


class Outer(Section):
    """The whole."""

    name: str = Field(max_length=5)
    """Two lines
    of text.
    """
    inner: Inner = Inner()
    """In the outer's words."""
    maybe: Inner | None = None
    choice: Literal["a", "b"] = "a"
    optional: int | None = Field(default=None, ge=1, le=3)
    flag: bool = False
    words: Annotated[tuple[Annotated[str, Field(max_length=3)], ...], Field(strict=False, max_length=2), Unique()] = ()
    parts: Annotated[tuple[Inner, ...], Field(strict=False, max_length=2), Unique("low")] = ()
    plain: Annotated[tuple[Inner, ...], Field(strict=False, max_length=2)] = ()
    base_url: str | None = Field(default=None, alias="baseURL", max_length=9)


PROPERTIES = structural(Outer)["properties"]


def test_required_are_the_fields_without_default() -> None:
    assert structural(Outer)["required"] == ["name"]
    assert "required" not in PROPERTIES["inner"]


def test_nothing_but_what_a_structural_schema_may_hold() -> None:
    assert set(structural(Outer)) == {"type", "description", "required", "properties"}
    assert PROPERTIES["choice"] == {"type": "string", "default": "a", "enum": ["a", "b"]}
    assert PROPERTIES["flag"] == {"type": "boolean", "default": False}


def test_or_null_is_just_optional() -> None:
    assert PROPERTIES["optional"] == {"type": "integer", "minimum": 1, "maximum": 3}
    assert PROPERTIES["maybe"]["type"] == "object"
    assert "default" not in PROPERTIES["maybe"]


def test_references_are_written_out_and_sections_have_no_default() -> None:
    assert PROPERTIES["inner"]["properties"]["low"]["default"] == 1
    assert "default" not in PROPERTIES["inner"]


def test_descriptions_are_the_docstrings_and_the_field_s_own_wins() -> None:
    assert structural(Outer)["description"] == "The whole."
    assert PROPERTIES["name"]["description"] == "Two lines\nof text."
    assert PROPERTIES["inner"]["description"] == "In the outer's words."
    assert PROPERTIES["maybe"]["description"] == "A part\nof a whole."
    assert "description" not in PROPERTIES["inner"]["properties"]["high"]


def test_aliases_are_the_names() -> None:
    assert PROPERTIES["baseURL"]["maxLength"] == 9
    assert "baseUrl" not in PROPERTIES


def test_rules_become_cel() -> None:
    assert PROPERTIES["inner"]["x-kubernetes-validations"] == [
        {"rule": "self.low <= self.high", "message": "low must not exceed high", "fieldPath": ".low"},
        {"rule": "self.high >= oldSelf.high", "message": "high can only be raised"},
    ]


def test_lists_say_how_they_merge() -> None:
    assert PROPERTIES["words"]["x-kubernetes-list-type"] == "set"
    assert PROPERTIES["parts"]["x-kubernetes-list-type"] == "map"
    assert PROPERTIES["parts"]["x-kubernetes-list-map-keys"] == ["low"]
    assert PROPERTIES["plain"]["x-kubernetes-list-type"] == "atomic"
    assert PROPERTIES["words"]["items"] == {"type": "string", "maxLength": 3}


def test_field_docstrings_are_read_from_the_source() -> None:
    assert field_docstrings(Inner) == {"low": "The lower end."}


def test_the_same_rule_holds_in_python() -> None:
    assert Inner(low=2, high=2).low == 2
    with pytest.raises(ValidationError, match="low must not exceed high"):
        Inner(low=3, high=2)


@pytest.mark.parametrize(
    ("field", "items"),
    [("words", ["a", "a"]), ("parts", [{"low": 1, "high": 5}, {"low": 1, "high": 6}])],
)
def test_unique_items_hold_in_python(field: str, items: list[object]) -> None:
    with pytest.raises(ValidationError, match="items must differ"):
        Outer.model_validate({"name": "a", field: items})


def test_equal_items_of_other_lists_are_fine() -> None:
    assert len(Outer.model_validate({"name": "a", "plain": [{}, {}]}).plain) == 2
