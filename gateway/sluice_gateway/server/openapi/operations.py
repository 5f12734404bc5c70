"""What is said of one path and method."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sluice_gateway.server.openapi.schemas import Schema, constant, either, record, ref, text

EVENTS = "text/event-stream"
JSON = "application/json"

Errors = Literal["", "openai", "anthropic"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of a path.

    ``body`` is the request's schema, None when it has none; ``answers`` are those of status 200, by their media types;
    ``event`` the schema of the data of a stream's events. ``groups`` name what can go wrong (see ``faults``), and
    ``errors`` how that is told. ``internal``: not for applications. ``example`` is a request that works.
    """

    name: str
    summary: str
    description: str = ""
    method: str = "post"
    body: Schema | None = None
    answers: Mapping[str, Schema] = field(default_factory=dict)
    event: Schema | None = None
    groups: Sequence[str] = ()
    errors: Errors = "openai"
    parameters: Sequence[Schema] = ()
    internal: bool = False
    cached: bool = False
    example: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """Operations by their paths, and the schemas that they share by name."""

    operations: Mapping[str, Operation]
    schemas: Mapping[str, Schema] = field(default_factory=dict)


def answering(name: str, events: str | None = None, *, end: str | None = None) -> dict[str, Schema]:
    """JSON of a named schema; a stream too, when its events' data has one. ``end``: the data of the last event, where
    that is no JSON; an error is then told in the place of another's data.
    """
    answers = {JSON: ref(name)}
    if events is None:
        return answers
    data = ref(events) if end is None else either(ref(events), ref("Error"))
    held: Schema = {"type": "string", "contentMediaType": JSON, "contentSchema": data}
    told = held if end is None else either(constant(end), held)
    members = {"event": text("Its name, where it has one."), "data": told}
    return {**answers, EVENTS: record(members, ("data",), "One event, as OpenAPI 3.2 describes them.")}
