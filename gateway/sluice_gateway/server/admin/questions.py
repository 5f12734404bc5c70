"""What the admin paths are asked, read from JSON: strict, and each fault is named with its field."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from sluice_gateway.callers import ANONYMOUS
from sluice_gateway.calls import MAX_MODEL_LENGTH, Shape, decode
from sluice_gateway.errors import CallerError, InvalidJSON, ParameterOutOfRange

LONGEST_SECONDS = 86_400
"""A day: an override is for an incident, what should last belongs into the resources."""
LONGEST_NAME = 320
"""Of ``namespace/name``: 63 and 253 characters, and what is between them."""
_LONGEST_WORD = 253  # of a consumer, which is a key of a Secret; strategies have short names


class Override(NamedTuple):
    """What to do to breakers: of one model of a provider (``namespace/name``), or of all when ``model`` is None.

    ``seconds`` is 0 where none are asked for.
    """

    provider: str
    model: str | None
    seconds: float


class Question(NamedTuple):
    """A request that is to be explained: its body, and the endpoint that it would be sent to.

    ``strategy`` is the header x-routing-strategy, "" without; ``consumer`` the name of the caller's key.
    """

    body: bytes
    shape: Shape
    strategy: str
    consumer: str


def read_override(body: bytes, *, timed: bool) -> Override:
    """A body of the breakers' paths; ``timed``: whether it must say for how long. Raises CallerError."""
    said = _members(body, ("provider", "model", "seconds") if timed else ("provider", "model"))
    provider = _text(said, "provider", LONGEST_NAME)
    if provider is None:
        raise CallerError("provider must be given, as namespace/name", param="provider")
    model = _text(said, "model", MAX_MODEL_LENGTH)
    return Override(provider, model, _seconds(said) if timed else 0)


def read_question(body: bytes) -> Question:
    """A body of /admin/explain. Raises CallerError; of the request in it, nothing is looked at."""
    said = _members(body, ("request", "shape", "strategy", "consumer"))
    shape = _text(said, "shape", _LONGEST_WORD) or Shape.CHAT
    if shape not in list(Shape):
        raise CallerError(f"shape must be one of {', '.join(Shape)}", param="shape")
    if type(said.get("request")) is not dict:
        raise CallerError("request must be given: the object that a caller would send", param="request")
    strategy, consumer = (_text(said, name, _LONGEST_WORD) for name in ("strategy", "consumer"))
    return Question(_as_it_came(body), Shape(shape), strategy or "", consumer or ANONYMOUS)


def _as_it_came(body: bytes) -> bytes:
    """The request in the body, byte for byte: its length counts, and a key that stands twice is an error."""
    try:
        return bytes(msgspec.json.decode(body, type=dict[str, msgspec.Raw])["request"])
    except msgspec.DecodeError as error:
        raise InvalidJSON(f"the body is not valid JSON: {error}") from error


def _members(body: bytes, known: tuple[str, ...]) -> dict[str, Any]:
    said = decode(body)
    if type(said) is not dict:
        raise CallerError("the body must be a JSON object")
    for name in said:
        if name not in known:
            raise CallerError(f"there is no field {name[:64]!r}, only {', '.join(known)}", param=name[:64])
    return {name: value for name, value in said.items() if value is not None}


def _text(said: Mapping[str, Any], name: str, longest: int) -> str | None:
    value = said.get(name)
    if value is None:
        return None
    if type(value) is not str or not 0 < len(value) <= longest or not value.isprintable():
        raise CallerError(f"{name} must be a text of 1 to {longest} characters", param=name)
    return value


def _seconds(said: Mapping[str, Any]) -> int:
    value = said.get("seconds")
    if type(value) is not int:
        raise CallerError(f"seconds must be given, as a whole number from 1 to {LONGEST_SECONDS}", param="seconds")
    if not 1 <= value <= LONGEST_SECONDS:
        raise ParameterOutOfRange(f"seconds must be from 1 to {LONGEST_SECONDS}", param="seconds")
    return value
