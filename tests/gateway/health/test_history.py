"""What checks make of a provider, at each threshold."""

import pytest

from sluice_config.resources.provider_policy import HealthCheck
from sluice_gateway.health.history import KEPT, Check, History, Result, State

GOOD, TRAFFIC = Check(1.0, Result.GOOD, 5.0), Check(1.0, Result.TRAFFIC)
FAILED, REJECTED = Check(1.0, Result.FAILED, 5.0, "status 500"), Check(1.0, Result.REJECTED, 5.0, "key refused")


def policy(failures: int = 3, successes: int = 1) -> HealthCheck:
    return HealthCheck.model_validate({"failureThreshold": failures, "successThreshold": successes})


def after(*checks: Check, failures: int = 3, successes: int = 1) -> tuple[History, list[bool]]:
    """The history of these checks, and which of them have changed the verdict."""
    history = History()
    return history, [history.note(check, policy(failures, successes)) for check in checks]


@pytest.mark.parametrize(
    ("checks", "state", "reason"),
    [
        ([], State.UNKNOWN, ""),
        ([FAILED], State.UNKNOWN, ""),
        ([FAILED, FAILED], State.UNKNOWN, ""),
        ([FAILED, FAILED, FAILED], State.UNHEALTHY, "status 500"),
        ([FAILED, FAILED, REJECTED], State.UNHEALTHY, "key refused"),
        ([FAILED, FAILED, GOOD], State.HEALTHY, ""),
        ([FAILED, FAILED, GOOD, FAILED, FAILED], State.HEALTHY, ""),
        ([FAILED, FAILED, TRAFFIC, FAILED, FAILED], State.HEALTHY, ""),
        ([GOOD, FAILED, FAILED, FAILED], State.UNHEALTHY, "status 500"),
        ([FAILED, FAILED, FAILED, REJECTED], State.UNHEALTHY, "key refused"),
        ([FAILED, FAILED, FAILED, GOOD], State.HEALTHY, ""),
        ([FAILED, FAILED, FAILED, TRAFFIC], State.HEALTHY, ""),
        ([FAILED, FAILED, FAILED, GOOD, FAILED, FAILED], State.HEALTHY, ""),
    ],
)
def test_failures_in_a_row_make_unhealthy_and_a_good_check_healthy(
    checks: list[Check], state: State, reason: str
) -> None:
    history, _ = after(*checks)
    assert (history.state, history.reason) == (state, reason)


@pytest.mark.parametrize(
    ("checks", "state"),
    [
        ([GOOD], State.HEALTHY),  # it never was unhealthy: nothing has to be made good
        ([FAILED, GOOD], State.UNHEALTHY),
        ([FAILED, GOOD, GOOD], State.HEALTHY),
        ([FAILED, GOOD, TRAFFIC], State.HEALTHY),
        ([FAILED, GOOD, FAILED, GOOD], State.UNHEALTHY),
        ([GOOD, GOOD, FAILED, GOOD], State.UNHEALTHY),
    ],
)
def test_good_checks_in_a_row_make_healthy_again(checks: list[Check], state: State) -> None:
    history, _ = after(*checks, failures=1, successes=2)
    assert history.state is state


def test_only_changes_of_the_verdict_are_news() -> None:
    _, news = after(GOOD, GOOD, FAILED, REJECTED, FAILED, FAILED, GOOD, TRAFFIC)
    assert news == [True, False, False, False, True, False, True, False]


def test_a_policy_that_changes_counts_with_what_was() -> None:
    history, _ = after(FAILED, FAILED, FAILED, failures=9)
    assert history.note(FAILED, policy(failures=3))
    for _ in range(3):
        assert not history.note(GOOD, policy(successes=9))
    assert history.note(GOOD, policy(successes=3))


def test_a_refused_key_is_told_apart_at_once() -> None:
    assert [after(*checks)[0].rejected for checks in ([], [FAILED], [REJECTED], [REJECTED, GOOD])] == [
        False,
        False,
        True,
        False,
    ]


def test_who_is_unhealthy_always_has_a_reason() -> None:
    assert after(Check(1.0, Result.FAILED), failures=1)[0].reason == "failed"


def test_the_latest_checks_are_kept() -> None:
    history, _ = after(*(Check(float(number), Result.GOOD) for number in range(KEPT + 3)))
    assert [check.wall for check in history.checks] == [float(number) for number in range(3, KEPT + 3)]
    assert KEPT == 20


def test_a_check_is_shown_with_its_moment() -> None:
    check = Check(1_700_000_000.1234, Result.FAILED, 12.345, "no")
    assert check.described() == {
        "at": "2023-11-14T22:13:20.123Z",
        "result": "failed",
        "milliseconds": 12.3,
        "reason": "no",
    }
    assert Check(1_700_000_000.0, Result.TRAFFIC).described() == {
        "at": "2023-11-14T22:13:20.000Z",
        "result": "traffic",
        "milliseconds": None,
        "reason": "",
    }
