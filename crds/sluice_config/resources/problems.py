"""What is wrong with a document, in words and paths of the person who wrote it."""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sluice_config.resources.schema import Schema, structural

MOST_PROBLEMS = 20
"""A document that is wrong in more places is wrong as a whole."""

Step = str | int


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: `field` as a path in the document ("spec.targets[0].provider"), `message` what it must be.

    Messages never repeat text values of the document: any of them could be a key that was pasted into the wrong place.
    """

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class InvalidResource(ValueError):
    """The document is no valid resource; `problems` says why, at least once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)


def problems_of(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """Translate pydantic's findings about a document of `model`, whose schema knows what would be right."""
    schema = structural(model)
    details = [detail for detail in error.errors(include_url=False) if not _is_echo(detail)]
    found = [_problem(detail, schema) for detail in details[:MOST_PROBLEMS]]
    if len(details) > MOST_PROBLEMS:
        found.append(Problem("", f"and {len(details) - MOST_PROBLEMS} more mistakes"))
    return found


def _is_echo(detail: ErrorDetails) -> bool:
    """Whether a list is "too short" only because its faulty items were not counted."""
    return detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]


def _problem(detail: ErrorDetails, schema: Schema) -> Problem:
    steps = detail["loc"]
    context = detail.get("ctx", {})
    match detail["type"]:
        case "extra_forbidden":
            return Problem(path(steps), _unknown_field(steps[-1], _at(schema, steps[:-1])))
        case "missing":
            return Problem(path(steps), f"is required: {_expected(_at(schema, steps))}")
        case "rule":
            return Problem(path((*steps, context["field"]) if context["field"] else steps), context["message"])
        case "invalid_key":
            return Problem(path(steps[:-1]), "field names must be strings")
        case _:
            node = _at(schema, steps)
            return Problem(path(steps), f"must be {_expected(node)}{_actual(detail['input'], node)}")


def path(steps: Iterable[Step]) -> str:
    """A path as people write it: ("spec", "targets", 0) -> "spec.targets[0]"."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{_printable(step)}" for step in steps).lstrip(".")


def _printable(name: str) -> str:
    """A field's name as it is when it looks like one; else quoted and cut, since the document's author chose it."""
    return name if re.fullmatch("[A-Za-z][-A-Za-z0-9_]{0,63}", name) else ascii(name[:64])


def _at(schema: Schema, steps: Sequence[Step]) -> Schema:
    for step in steps:
        others = schema.get("additionalProperties", {})
        schema = schema.get("items", {}) if isinstance(step, int) else schema.get("properties", {}).get(step, others)
    return schema


def _unknown_field(name: Step, parent: Schema) -> str:
    known = list(parent.get("properties", ()))
    by_lower_case = {field.lower(): field for field in known}
    close = difflib.get_close_matches(str(name)[:64].lower().replace("_", ""), by_lower_case, n=1)
    if close:
        return f"unknown field; did you mean {by_lower_case[close[0]]}?"
    return f"unknown field; known are {', '.join(known)}" if 0 < len(known) <= 12 else "unknown field"


def _expected(node: Schema) -> str:
    """What belongs there; completes "must be ..."."""
    match node:
        case {"enum": options}:
            return f"one of {', '.join(options)}"
        case {"x-sluice-says": says}:
            return str(says)
        case {"type": "integer", "minimum": least, "maximum": most}:
            return f"an integer between {least} and {most}"
        case {"type": "array", "maxItems": most}:
            return f"a list of {node.get('minItems', 0)} to {most} items"
        case {"type": "boolean"}:
            return "true or false"
        case {"type": "string"}:
            return "a string"
        case _:
            return "an object with fields"


def _actual(value: Any, node: Schema) -> str:
    """What is there instead, without repeating text; completes "must be ..."."""
    if isinstance(value, bool) and ("enum" in node or node.get("type") == "string"):
        return ", got a boolean: YAML reads on, off, yes, no, y and n as such, so quote them"
    kind = _KINDS.get(type(value), "something else")
    if kind != _KINDS_BY_TYPE.get(node.get("type", "")):
        return f", got {kind}"
    if isinstance(value, int):
        return f", got {value}" if abs(value) < 10**18 else ""
    if isinstance(value, list):
        return f", got {len(value)}"
    if isinstance(value, str) and "enum" in node:
        close = difflib.get_close_matches(value[:64].lower(), node["enum"], n=1)
        return f"; did you mean {close[0]}?" if close else ""
    if isinstance(value, str) and len(value) > node.get("maxLength", len(value)):
        return f", with {node['maxLength']} characters at most: got {len(value)}"
    return ", got an empty string" if value == "" else ""


_KINDS = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "a boolean",
    list: "a list",
    dict: "an object",
    type(None): "nothing",
}

_KINDS_BY_TYPE = {
    "string": "a string",
    "integer": "an integer",
    "boolean": "a boolean",
    "array": "a list",
    "object": "an object",
}
