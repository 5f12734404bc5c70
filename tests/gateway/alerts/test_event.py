"""Which events are news of the same thing."""

import pytest

from sluice_gateway.alerts.event import Field, Kind, subject_of


@pytest.mark.parametrize(
    ("kind", "fields", "subject"),
    [
        ("provider_unhealthy", {"provider": "a/p", "reason": "x"}, ("provider", "a/p")),
        ("provider_healthy", {"provider": "a/p"}, ("provider", "a/p")),
        ("breaker_open", {"provider": "a/p", "model": "m", "seconds": 60}, ("breaker", "a/p", "m")),
        ("breaker_closed", {"provider": "a/p", "model": "m"}, ("breaker", "a/p", "m")),
        ("state_store_away", {"reason": "x"}, ("state",)),
        ("state_store_back", {}, ("state",)),
        ("route_down", {"route": "a/r", "reason": "x"}, ("route", "a/r")),
        ("route_down", {}, ("route", "")),
    ],
)
def test_a_subject_is_what_changes_not_why(kind: Kind, fields: dict[str, Field], subject: tuple[Field, ...]) -> None:
    assert subject_of(kind, fields) == subject
