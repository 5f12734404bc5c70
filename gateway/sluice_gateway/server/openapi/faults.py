"""What can go wrong where: the error tree (``sluice_gateway.errors``), by groups of operations and by status."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sluice_gateway.dialects.messages.errors import type_of
from sluice_gateway.errors import (
    AdminClosed,
    AllProvidersFailed,
    CallerError,
    ContextLengthExceeded,
    GatewayError,
    InvalidAPIKey,
    InvalidJSON,
    MethodNotAllowed,
    ModelNotFound,
    NotFound,
    NotReady,
    Overloaded,
    ParameterOutOfRange,
    ProviderAuthFailed,
    ProviderError,
    RateLimitExceeded,
    RequestTimeout,
    RequestTooLarge,
    StrategyNotAllowed,
    UnsupportedMediaType,
    UnsupportedParameter,
    UpstreamTimedOut,
)
from sluice_gateway.server.openapi.operations import Errors
from sluice_gateway.server.openapi.schemas import Schema, array, constant, optional, record, text

Kind = type[GatewayError]

GROUPS: Mapping[str, tuple[Kind, ...]] = {
    "body": (InvalidJSON, CallerError, RequestTimeout, RequestTooLarge, UnsupportedMediaType),
    "key": (InvalidAPIKey, NotReady),
    "name": (ModelNotFound,),
    "model": (
        UnsupportedParameter,
        ParameterOutOfRange,
        ContextLengthExceeded,
        StrategyNotAllowed,
        ModelNotFound,
        RateLimitExceeded,
        ProviderError,
        ProviderAuthFailed,
        Overloaded,
        AllProvidersFailed,
        NotReady,
        UpstreamTimedOut,
    ),
    "probe": (NotReady,),
    "admin": (AdminClosed, InvalidAPIKey, NotReady),
    "object": (ParameterOutOfRange, NotFound),
    "named": (CallerError, NotFound),
}
EVERYWHERE: tuple[Kind, ...] = (GatewayError,)
"""A defect of the gateway's own."""
BESIDE: tuple[Kind, ...] = (NotFound, MethodNotAllowed)
"""Of paths and methods that are none."""

REFUSED = "4XX"
REFUSED_WHY = (
    "The provider found the request at fault: its own status, code and words are passed on, without keys and hosts."
)

SCHEMAS: Mapping[str, Schema] = {
    "Error": record(
        {
            "error": record(
                {
                    "message": text("For people."),
                    "type": optional(text("OpenAI's type of it.")),
                    "param": optional(text("The JSON path of the field at fault.")),
                    "code": optional(text("What programs go by.")),
                    "attempts": array(
                        record(), "Of all_providers_failed: target, status, reason and milliseconds of each."
                    ),
                },
                ("message", "type", "param", "code"),
            )
        },
        ("error",),
        "Errors as OpenAI tells them.",
    ),
    "AnthropicError": record(
        {
            "type": constant("error"),
            "error": record(
                {
                    "type": text("Anthropic's type of it."),
                    "message": text("For people; begins with the field at fault."),
                    "details": record({"error_code": text("What programs go by.")}),
                },
                ("type", "message"),
            ),
        },
        ("type", "error"),
        "Errors as Anthropic tells them.",
    ),
}
NAMES: Mapping[Errors, str] = {"openai": "Error", "anthropic": "AnthropicError"}


class Row(NamedTuple):
    """One error: OpenAI's type of it and Anthropic's."""

    status: int
    code: str
    openai: str
    anthropic: str
    why: str


def of_groups(groups: Iterable[str]) -> dict[int, list[Kind]]:
    """What can go wrong, by status."""
    found: dict[int, list[Kind]] = {}
    for kind in dict.fromkeys((*(kind for group in groups for kind in GROUPS[group]), *EVERYWHERE)):
        found.setdefault(kind.status, []).append(kind)
    return dict(sorted(found.items()))


def rows() -> list[Row]:
    """All errors of the gateway's own."""
    kinds = dict.fromkeys((*(kind for group in GROUPS.values() for kind in group), *BESIDE, *EVERYWHERE))
    return sorted({Row(kind.status, kind.code or "", kind.type, type_of(kind.status), why(kind)) for kind in kinds})


def why(kind: Kind) -> str:
    """The first sentence of what a kind of error says of itself."""
    if kind is GatewayError:
        return "A defect of the gateway."
    return (kind.__doc__ or "").partition("\n")[0].strip()
