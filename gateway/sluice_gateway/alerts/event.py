"""What can be told: kinds of events, and which of them are news of the same thing."""

from collections.abc import Mapping
from typing import Literal

Kind = Literal[
    "provider_unhealthy",
    "provider_healthy",
    "breaker_open",
    "breaker_closed",
    "state_store_away",
    "state_store_back",
    "route_down",
]
Field = str | int | float | bool
Subject = tuple[Field, ...]

_SUBJECTS: Mapping[Kind, tuple[str, ...]] = {
    "provider_unhealthy": ("provider",),
    "provider_healthy": ("provider",),
    "breaker_open": ("provider", "model"),
    "breaker_closed": ("provider", "model"),
    "state_store_away": (),
    "state_store_back": (),
    "route_down": ("route",),
}


def subject_of(kind: Kind, fields: Mapping[str, Field]) -> Subject:
    """What an event is about: a newer one of the same subject takes the place of an older one. Of fields such as the
    reason it does not depend.
    """
    return kind.partition("_")[0], *(fields.get(name, "") for name in _SUBJECTS[kind])
