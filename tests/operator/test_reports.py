"""What pods report of their targets: input of a stranger, taken slowly, and told to those whom it concerns."""

from typing import Any

import msgspec
import pytest

from sluice_config.resources.provider_policy import CircuitBreaker
from sluice_gateway.resilience.breakers import Breakers
from sluice_gateway.routing.table import build_table
from sluice_gateway.server.served import Serving
from sluice_gateway.server.troubles import Troubles
from sluice_gateway.upstream import LeanUpstream
from sluice_operator.reports import (
    CALM_SECONDS,
    MOST_ENTRIES,
    MOST_ROUTES,
    REPORT_SECONDS,
    SILENCE_SECONDS,
    Complaint,
    Report,
    Reports,
    read_report,
)
from sluice_operator.targets import BREAKER_OPEN, NOT_OFFERED, REJECTED, UNHEALTHY, Trouble
from tests.support import loading
from tests.support.site import Site, provider, route, secret

PROVIDER = {"provider": "default/openai", "routes": ["default/chat"]}
TARGET = {**PROVIDER, "model": "gpt-9"}
ENTRY = {**TARGET, "state": "open", "secondsLeft": 12, "byHand": False}
CHAT = ("default/chat",)
STATES: list[Any] = ["closed", "OPEN", None, [], {}, 1]
LACKS = Complaint(NOT_OFFERED, "default/openai", "gpt-9", routes=CHAT)
OPEN = Complaint(BREAKER_OPEN, "default/openai", "gpt-9", routes=CHAT)
FAINT = OPEN._replace(faint=True)
UNWELL = Complaint(UNHEALTHY, "default/openai", note="connection refused", routes=CHAT)
REFUSED = Complaint(REJECTED, "default/openai", routes=CHAT)
BREAKER = Trouble(BREAKER_OPEN, "default/openai", "gpt-9", routes=CHAT)


def said(*reports: Report | None) -> dict[str, Report | None]:
    return {f"uid-{place}": report for place, report in enumerate(reports)}


def reasons(reports: Reports) -> list[tuple[str, int]]:
    """What is told, and how many pods say so."""
    return [(one.reason, one.pods) for one in reports.troubles]


@pytest.mark.parametrize(
    ("answer", "understood"),
    [
        (
            {
                "targets": [],
                "modelsNotOffered": [TARGET],
                "breakers": [ENTRY],
                "unhealthy": [PROVIDER | {"reason": ""}],
            },
            (LACKS, OPEN, UNWELL._replace(note="")),
        ),
        ({"rejected": [PROVIDER], "breakers": []}, (REFUSED,)),
        (
            {"breakers": [ENTRY | {"state": "half_open"}, ENTRY | {"byHand": True}]},
            (FAINT, OPEN._replace(by_hand=True)),
        ),
        ({"breakers": [ENTRY | {"byHand": "yes", "secondsLeft": "soon", "reason": "x"}]}, (OPEN,)),
        ({"unhealthy": [PROVIDER | {"reason": "connection refused", "model": "m"}]}, (UNWELL,)),
        ({"unhealthy": [PROVIDER | {"reason": ["connection"]}]}, (UNWELL._replace(note=""),)),
        ({"modelsNotOffered": [TARGET, TARGET, 7, None, [], {}, TARGET | {"routes": "all"}]}, (LACKS,)),
        ({"modelsNotOffered": [TARGET | {"model": 9}, TARGET | {"provider": None}, TARGET | {"provider": {}}]}, ()),
        ({"rejected": [PROVIDER | {"provider": name} for name in ("openai", "a/b/c", "", "x/" * 1000)]}, ()),
        ({"modelsNotOffered": [TARGET | {"routes": ["default/chat", "chat", "a/b/c", 1, [], None]}]}, (LACKS,)),
        ({"breakers": [{**ENTRY, "state": state} for state in STATES]}, ()),
        ({"breakers": {"0": ENTRY}, "unhealthy": "all", "rejected": 1, "modelsNotOffered": None}, ()),
        ({}, ()),
        ([], ()),
        (None, ()),
    ],
)
def test_what_is_not_as_it_should_be_counts_as_not_said(answer: Any, understood: Report):
    assert read_report(answer) == understood


def test_what_has_no_end_is_cut():
    [long] = read_report({"modelsNotOffered": [TARGET | {"model": "x" * 5000}]})
    assert len(long.model) == 1000
    [told] = read_report({"unhealthy": [PROVIDER | {"reason": "x" * 5000}]})
    assert len(told.note) == 200
    names = [f"default/{'x' * count}" for count in (992, 993)]
    [longest] = read_report({"rejected": [PROVIDER | {"provider": name} for name in names]})
    assert len(longest.provider) == 1000
    [many] = read_report({"rejected": [PROVIDER | {"routes": [f"default/r{number}" for number in range(20_000)]}]})
    assert len(many.routes) == MOST_ROUTES
    entries = [ENTRY | {"model": f"m{number}"} for number in range(5000)]
    assert len(read_report({"breakers": entries, "modelsNotOffered": entries})) == 2 * MOST_ENTRIES
    reports = Reports()
    reports.take(said(read_report({"breakers": entries}), read_report({"breakers": entries[2000:]}), (REFUSED,)), 0)
    assert (len(reports.troubles), reports.troubles[0].reason) == (MOST_ENTRIES, REJECTED)


def test_callers_who_name_models_write_no_lines_of_a_status():
    [one] = read_report({"breakers": [ENTRY | {"model": "m\n\x1b[31mall is well\u202e"}]})
    assert one.model == "m??[31mall is well?"
    [two] = read_report({"unhealthy": [PROVIDER | {"reason": "a\nb"}]})
    assert two.note == "a?b"


def test_what_a_gateway_reports_is_understood():
    event = loading.loaded(loading.provider("a") + loading.provider("b") + loading.route("chat", "a/m", "b/m"))
    table = build_table(event.snapshot, event.digest, event.credentials, LeanUpstream())
    breakers = Breakers()
    breakers.of("default/a", "m", CircuitBreaker()).open(1060.0)
    health = [
        {"provider": "default/a", "state": "unhealthy", "reason": "no answer", "credentialsRejected": False},
        {"provider": "default/b", "state": "unknown", "reason": "", "credentialsRejected": True},
    ]
    described = Troubles(Serving(lambda: table), breakers, lambda: health, lambda: 1000.0).described()
    assert read_report(msgspec.json.decode(msgspec.json.encode(described))) == (
        Complaint(BREAKER_OPEN, "default/a", "m", by_hand=True, routes=CHAT),
        Complaint(UNHEALTHY, "default/a", note="no answer", routes=CHAT),
        Complaint(REJECTED, "default/b", routes=CHAT),
    )


def test_the_worst_is_the_first():
    reports = Reports()
    reports.take(said((LACKS, OPEN, UNWELL, REFUSED)), 0)
    assert reasons(reports) == [(REJECTED, 1), (UNHEALTHY, 1), (BREAKER_OPEN, 1), (NOT_OFFERED, 1)]


def test_pods_that_say_the_same_are_counted_and_their_routes_put_together():
    reports = Reports()
    reports.take(said((OPEN,), (), (OPEN._replace(routes=("default/more",)),), None), 0)
    assert list(reports.troubles) == [BREAKER._replace(routes=("default/chat", "default/more"), pods=2)]
    assert reports.pods == 3
    reports.take(said((OPEN._replace(by_hand=True),), (), (OPEN,)), 10)
    assert list(reports.troubles) == [BREAKER, BREAKER._replace(by_hand=True)]


def test_pods_are_asked_with_every_look_at_those_that_agree_and_no_more_often():
    reports = Reports()
    assert reports.due(0)
    assert reports.pods == 0
    reports.take({}, 100)
    assert not reports.due(99 + REPORT_SECONDS)
    assert reports.due(100 + REPORT_SECONDS)
    assert reports.due(101 + REPORT_SECONDS)


@pytest.mark.parametrize("one", [LACKS, UNWELL, REFUSED])
def test_what_a_pod_says_no_more_has_passed(one: Complaint):
    reports = Reports()
    reports.take(said((one,), (one,)), 0)
    reports.take(said((), (one,)), 10)
    assert reasons(reports) == [(one.reason, 1)]
    reports.take(said((), ()), 20)
    assert not reports.troubles


def test_a_breaker_that_opens_again_is_one_trouble():
    reports = Reports()
    reports.take(said((OPEN,), (OPEN,)), 0)
    reports.take(said((), (OPEN,)), CALM_SECONDS - 1)
    assert reasons(reports) == [(BREAKER_OPEN, 2)]
    reports.take(said((), (OPEN,)), CALM_SECONDS)
    assert reasons(reports) == [(BREAKER_OPEN, 1)]
    reports.take(said((), ()), 2 * CALM_SECONDS - 1)
    assert reasons(reports) == [(BREAKER_OPEN, 1)]
    reports.take(said((), ()), 2 * CALM_SECONDS + 1)
    assert not reports.troubles


def test_a_breaker_that_flaps_tells_one_thing():
    """However it is met: open, half open, closed."""
    reports, told = Reports(), set()
    for turn in range(60):
        reports.take(said([(OPEN,), (), (FAINT,), (), ()][turn % 5], ()), turn * 10.0)
        told.add(reports.troubles)
    assert told == {(BREAKER,)}


def test_a_half_open_breaker_is_as_open_as_it_was():
    reports = Reports()
    reports.take(said((OPEN,), ()), 0)
    reports.take(said((FAINT,), (FAINT,)), 10)
    assert reasons(reports) == [(BREAKER_OPEN, 1)]
    reports.take(said((FAINT._replace(routes=("default/new",)),), (FAINT,)), 50)
    assert list(reports.troubles) == [BREAKER._replace(routes=("default/new",))]
    reports.take(said((), (FAINT,)), 49 + CALM_SECONDS)
    assert reasons(reports) == [(BREAKER_OPEN, 1)]
    reports.take(said((), (FAINT,)), 50 + CALM_SECONDS)
    assert not reports.troubles


def test_of_a_pod_that_was_never_heard_a_half_open_breaker_counts():
    """Whoever leads from now on would else tell that all is well, and take it back."""
    reports = Reports()
    reports.take(said((FAINT,)), 0)
    assert reasons(reports) == [(BREAKER_OPEN, 1)]


def test_a_breaker_that_somebody_takes_over_is_told_once():
    reports = Reports()
    reports.take(said((OPEN,)), 0)
    reports.take(said((OPEN._replace(by_hand=True),)), 10)
    assert reports.troubles == (BREAKER._replace(by_hand=True),)


def test_the_cause_that_was_told_stands_while_any_pod_says_so():
    def noted(*notes: str) -> str:
        reports.take(said(*((UNWELL._replace(note=note),) for note in notes)), 0)
        return reports.troubles[0].note

    reports = Reports()
    assert noted("timed out after 12 s", "refused") == "refused"
    assert noted("refused", "aborted") == "refused"
    assert noted("timed out after 12 s", "") == "timed out after 12 s"
    assert noted("timed out after 9 s", "aborted") == "timed out after 12 s"
    assert noted("", "") == ""
    assert noted("", "refused") == "refused"


def test_what_a_pod_reported_stands_while_it_does_not_answer_but_not_for_ever():
    reports = Reports()
    reports.take(said((LACKS,)), 0)
    reports.take(said(None), SILENCE_SECONDS - 1)
    assert (reasons(reports), reports.pods) == ([(NOT_OFFERED, 1)], 1)
    for later in (SILENCE_SECONDS, SILENCE_SECONDS + 1):
        reports.take(said((LACKS,)), 0)
        reports.take(said(None), later)
        assert (reasons(reports), reports.pods) == ([], 0)


def test_a_pod_that_is_gone_reports_no_more():
    reports = Reports()
    reports.take(said((), (OPEN,)), 0)
    reports.take(said(()), 10)
    assert (reasons(reports), reports.pods) == ([], 1)


def test_what_pods_report_is_told(site: Site):
    names = {"provider": f"{site.namespace}/openai", "routes": [f"{site.namespace}/chat"]}
    lacks, opened = TARGET | names, ENTRY | names | {"model": "gpt-4o-mini"}
    site.pods.reports = {
        0: {"modelsNotOffered": [lacks], "breakers": [opened | {"secondsLeft": left} for left in (3, 2)]},
        1: {"breakers": [opened, ENTRY, 7], "unhealthy": "x", "rejected": [{"provider": "default/none"}]},
    }
    site.serve(secret(), provider(), route())
    message = site.becomes("modelroutes", "chat", "TargetsHealthy", "False", "BreakerOpen")
    assert message == (
        "target openai/gpt-4o-mini has failed too often (2 of 2 pods): its breaker is open until a probe succeeds; "
        "the gateway's log says what failed; "
        "ProviderPolicy openai does not list the model gpt-9 (1 of 2 pods): see that its name is right"
    )
    site.becomes("providerpolicies", "openai", "TargetsHealthy", "False", "BreakerOpen")
    assert site.condition("modelroutes", "chat")["status"] == "True"
