"""Which parameters a wire shape can take, and what becomes of those that it can't: one table a shape, one function."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from sluice_gateway.errors import ParameterOutOfRange, UnsupportedParameter
from sluice_gateway.normal.requests import ChatRequest

# Values that ask for what happens anyway: no provider needs to be able to take them.
_NO_WISH: Mapping[str, Any] = {
    "n": 1,
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "logprobs": False,
    "top_logprobs": 0,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "logit_bias": {},
    "metadata": {},
    "service_tier": "auto",
    "modalities": ("text",),
}


# They change nothing in an answer.
_HINTS = frozenset(
    {
        "user",
        "safety_identifier",
        "metadata",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
    }
)


def asks_for_nothing(name: str, value: object) -> bool:
    """Whether a member of a request, or a field of ChatRequest, may be left out without a word."""
    if value is None or value == () or value == [] or name in _HINTS:
        return True
    return bool(value == _NO_WISH[name]) if name in _NO_WISH else False


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What a wire shape can take of ``ChatRequest``'s fields.

    ``unsupported`` are fields that it has no place for; ``ranges`` the least and greatest value of those that it
    bounds; ``most_stops`` how many stop sequences it takes, None for any number; ``extra`` members of its own API that
    callers of another shape may add to their body. ``cuts_calls``: the provider can't be told to call one tool at a
    time, so the gateway passes on the first call alone where the caller wants no more.
    """

    unsupported: frozenset[str] = frozenset()
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    most_stops: int | None = None
    extra: frozenset[str] = frozenset()
    cuts_calls: bool = False


def fit(
    request: ChatRequest, parameters: Parameters, policy: Literal["strict", "clamp", "drop"], provider: str
) -> ChatRequest:
    """``request`` with nothing in it that the wire shape can't take.

    Under ``strict``, raises UnsupportedParameter or ParameterOutOfRange, which name the caller's field. ``clamp``
    brings numbers into range, and drops what has no place; ``drop`` takes out both. ``provider`` is for the message.
    """
    changes: dict[str, Any] = {}
    if parameters.cuts_calls and request.parallel_tool_calls is not None:
        changes["parallel_tool_calls"] = None
    for field_name, why, replacement in _misfits(request, parameters, clamps=policy == "clamp"):
        if policy == "strict":
            name = request.named(field_name)
            kind = ParameterOutOfRange if why else UnsupportedParameter
            raise kind(f"{name} {why} for {provider}" if why else f"{provider} has no {name}", param=name)
        changes[field_name] = replacement
    for name in request.extra:
        if name not in parameters.extra and name not in _HINTS and policy == "strict":
            raise UnsupportedParameter(f"{provider} has no {name}", param=name)
    if not request.extra.keys() <= parameters.extra:
        changes["extra"] = {name: value for name, value in request.extra.items() if name in parameters.extra}
    return msgspec.structs.replace(request, **changes) if changes else request


def _misfits(request: ChatRequest, parameters: Parameters, *, clamps: bool) -> Iterator[tuple[str, str, Any]]:
    """Each field that does not fit: its name, what it must be ("" when there is no place for it), its substitute."""
    for name in sorted(parameters.unsupported):
        value = getattr(request, name)
        if value is not None and value != () and value != _NO_WISH.get(name):
            yield name, "", () if isinstance(value, tuple) else None
    for name, (least, greatest) in parameters.ranges.items():
        value = getattr(request, name)
        if value is not None and not least <= value <= greatest:
            nearest = min(max(value, least), greatest)
            alike = type(value)(nearest)  # a whole number stays one, unless the bound is none
            clamped = alike if alike == nearest else nearest
            yield name, f"must be from {least:g} to {greatest:g}", clamped if clamps else None
    most = parameters.most_stops
    if most is not None and len(request.stop) > most:
        yield "stop", f"must have at most {most} items", request.stop[:most] if clamps else ()
