"""What pods report of their targets: input of a stranger, taken slowly, and told to those whom it concerns."""

from typing import Any

import pytest

from sluice_operator.reports import CHANGE_SECONDS, REPORT_SECONDS, SILENCE_SECONDS, Reports, read_report
from sluice_operator.status import Lacking
from tests.support.site import Site, provider, route, secret

ENTRY = {"provider": "default/openai", "model": "gpt-9", "routes": ["default/chat"]}
GPT_9 = Lacking("default/openai", "gpt-9", ("default/chat",))


def said(*reports: frozenset[Lacking] | None) -> dict[str, frozenset[Lacking] | None]:
    return {f"uid-{place}": report for place, report in enumerate(reports)}


def taken(reports: Reports) -> list[Lacking]:
    return list(reports.lacking)


ONE, NONE = frozenset({GPT_9}), frozenset[Lacking]()


@pytest.mark.parametrize(
    ("answer", "understood"),
    [
        ({"targets": [], "modelsNotOffered": [ENTRY]}, ONE),
        ({"modelsNotOffered": [ENTRY, ENTRY, 7, None, [], {}, ENTRY | {"routes": "all"}]}, ONE),
        ({"modelsNotOffered": [ENTRY | {"model": 9}, ENTRY | {"provider": None}]}, NONE),
        (
            {"modelsNotOffered": [ENTRY | {"routes": ["default/chat", "chat", "a/b/c", 1]}]},
            ONE,
        ),
        ({"modelsNotOffered": {}}, NONE),
        ({}, NONE),
        ([], NONE),
        (None, NONE),
    ],
)
def test_what_is_not_as_it_should_be_counts_as_not_said(answer: Any, understood: frozenset[Lacking]):
    assert read_report(answer) == understood


def test_what_has_no_end_is_cut():
    long = read_report({"modelsNotOffered": [ENTRY | {"model": "x" * 5000}]})
    assert [len(one.model) for one in long] == [1000]
    many = read_report({"modelsNotOffered": [ENTRY | {"model": f"m{number}"} for number in range(5000)]})
    assert len(many) == 1000


def test_any_pods_report_counts_and_their_routes_are_put_together():
    reports = Reports()
    other = frozenset({GPT_9._replace(routes=("default/more",))})
    reports.take(said(ONE, NONE, other), 0)
    assert reports.lacking == (GPT_9._replace(routes=("default/chat", "default/more")),)


def test_pods_are_asked_with_every_look_at_those_that_agree_and_no_more_often():
    reports = Reports()
    assert reports.due(0)
    reports.take({}, 0)
    assert not reports.due(REPORT_SECONDS - 1)
    assert reports.due(REPORT_SECONDS)


def test_a_change_is_taken_at_once_and_the_next_one_half_a_minute_later():
    reports = Reports()
    reports.take(said(NONE), 0)
    reports.take(said(ONE), 10)
    assert taken(reports) == [GPT_9]
    reports.take(said(NONE), 10 + CHANGE_SECONDS - 1)
    assert taken(reports) == [GPT_9]
    reports.take(said(ONE), 10 + CHANGE_SECONDS)
    assert taken(reports) == [GPT_9]
    reports.take(said(NONE), 20 + CHANGE_SECONDS)
    assert taken(reports) == []


def test_what_a_pod_reported_stands_while_it_does_not_answer_but_not_for_ever():
    reports = Reports()
    reports.take(said(ONE), 0)
    reports.take(said(None), SILENCE_SECONDS - 1)
    assert taken(reports) == [GPT_9]
    reports.take(said(None), SILENCE_SECONDS)
    assert taken(reports) == []


def test_a_pod_that_is_gone_reports_no_more():
    reports = Reports()
    reports.take(said(NONE, ONE), 0)
    reports.take(said(NONE), CHANGE_SECONDS)
    assert taken(reports) == []


def test_a_model_that_is_not_offered_is_told_and_nothing_is_written_while_that_stays_so(site: Site):
    names = {"provider": f"{site.namespace}/openai", "routes": [f"{site.namespace}/chat"]}
    site.pods.reports = {0: {"modelsNotOffered": [ENTRY | names]}, 1: b"[" * 100_000}
    operator = site.serve(secret(), provider(), route())
    message = site.becomes("modelroutes", "chat", "TargetsHealthy", "False", "ModelNotOffered")
    assert message == "ProviderPolicy openai does not list the model gpt-9"
    site.becomes("providerpolicies", "openai", "TargetsHealthy", "False", "ModelNotOffered")
    assert site.condition("modelroutes", "chat")["status"] == "True"
    before, reported = operator.writes(), site.pods.reported
    site.until(lambda: site.pods.reported >= reported + 2, "the pods are asked again")
    site.until(lambda: operator.metric("sluice_operator_queue_depth") == 0, "nothing to do")
    assert operator.writes() == before
