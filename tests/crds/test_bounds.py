"""Every number and list is taken at its bounds and refused beyond them: the models check what the CRDs say."""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from sluice_config.resources import KINDS, InvalidResource, parse_resource
from sluice_config.resources.schema import Schema, structural
from tests.crds.test_crd import nodes
from tests.support.resources import Document, read

CASES = Path(__file__).parent
Steps = tuple[str | int, ...]


def documents(kind: str) -> list[Document]:
    """All accepted files of a kind: between them, every field is set."""
    return [found for file in sorted((CASES / kind.lower() / "accepted").glob("*.yaml")) for found in read(file)]


def leaves(value: Any, schema: Schema, steps: Steps = ()) -> Iterator[tuple[Steps, Schema]]:
    """The places of a document that its schema knows, with their schemas."""
    yield steps, schema
    if isinstance(value, dict):
        for name, child in value.items():
            yield from leaves(child, schema["properties"][name], (*steps, name))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from leaves(child, schema["items"], (*steps, index))


def places(kind: str, of_type: str) -> list[Any]:
    """One place for each field of a type, in the first file that sets it."""
    found: dict[str, Any] = {}
    for number, content in enumerate(documents(kind)):
        for steps, schema in leaves(content["spec"], structural(KINDS[kind])["properties"]["spec"]):
            name = ".".join("[]" if isinstance(step, int) else step for step in steps)
            if schema["type"] == of_type:
                found.setdefault(name, pytest.param(kind, number, steps, schema, id=f"{kind}-{name}"))
    return list(found.values())


def problems(kind: str, number: int, steps: Steps, value: Any) -> list[str]:
    """What is wrong with the file when that place has this value."""
    changed = deepcopy(documents(kind)[number])
    at = changed["spec"]
    for step in steps[:-1]:
        at = at[step]
    at[steps[-1]] = value
    try:
        parse_resource(changed)
    except InvalidResource as error:
        return [str(problem) for problem in error.problems]
    return []


INTEGERS = [place for kind in KINDS for place in places(kind, "integer")]
LISTS = [place for kind in KINDS for place in places(kind, "array")]
STRINGS = [place for kind in KINDS for place in places(kind, "string")]


@pytest.mark.parametrize(("kind", "number", "steps", "schema"), INTEGERS)
def test_integers(kind: str, number: int, steps: Steps, schema: Schema) -> None:
    least, most = schema["minimum"], schema["maximum"]
    for value in (least, most):
        # A bound may break a rule between fields, but then the message is the rule's.
        assert not any("must be an integer" in found for found in problems(kind, number, steps, value))
    for value in (least - 1, most + 1):
        (found,) = problems(kind, number, steps, value)
        assert found.endswith(f": must be an integer between {least} and {most}, got {value}")


@pytest.mark.parametrize(("kind", "number", "steps", "schema"), LISTS)
def test_lists(kind: str, number: int, steps: Steps, schema: Schema) -> None:
    at: Any = documents(kind)[number]["spec"]
    for step in steps:
        at = at[step]
    found = problems(kind, number, steps, [at[0]] * (schema["maxItems"] + 1))
    assert any(f"to {schema['maxItems']} items, got {schema['maxItems'] + 1}" in problem for problem in found)


@pytest.mark.parametrize(("kind", "number", "steps", "schema"), STRINGS)
def test_strings_are_nothing_else(kind: str, number: int, steps: Steps, schema: Schema) -> None:
    for value, got in ((7, "an integer"), (7.5, "a number"), (["a"], "a list"), ({"a": "b"}, "an object")):
        (found,) = problems(kind, number, steps, value)
        assert found.endswith(f", got {got}")


@pytest.mark.parametrize(("kind", "number", "steps", "schema"), STRINGS)
def test_strings_have_no_line_break_or_zero_byte(kind: str, number: int, steps: Steps, schema: Schema) -> None:
    for value in ("a\x00", "a\rb"):
        assert problems(kind, number, steps, value)


@pytest.mark.parametrize(("of_type", "covered"), [("integer", INTEGERS), ("array", LISTS), ("string", STRINGS)])
def test_the_places_are_all_fields(of_type: str, covered: list[Any]) -> None:
    """So that the tests above cannot shrink unseen; a list of strings is tested as a list and as strings."""
    specs = [structural(model)["properties"]["spec"] for model in KINDS.values()]
    assert len(covered) == sum(node["type"] == of_type for spec in specs for _, node in nodes(spec))
