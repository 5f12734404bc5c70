"""Status as a value: what compile and pods say, what is written of it, and when nothing is."""

from collections.abc import Container, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from sluice_config.compile import Gateway, Resources, RoutesFrom, compile_resources
from sluice_config.resources import ResourceKey
from sluice_operator.status import Acknowledgement, Deployed, Refusal, Status, Subject, Told, parts_of, statuses
from sluice_operator.targets import BREAKER_OPEN, NOT_OFFERED, Trouble
from tests.support.resources import cache, provider, route

GATEWAY = Gateway("default", "sluice-gateway")
CHAT = ResourceKey("ModelRoute", "default", "chat")
MOCK = ResourceKey("ProviderPolicy", "default", "mock")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2026, 1, 2, tzinfo=UTC)
TARGET = {"provider": "mock"}


def deployed(resources: Resources, *pods: Acknowledgement, **fields: Any) -> Deployed:
    """What the gateway runs when its configuration is called D, and its credentials R."""
    compiled = compile_resources(fields.get("gateway", GATEWAY), resources)
    known = {"D": parts_of(compiled.snapshot)} | fields.pop("known", {})
    return Deployed(
        **{"gateway": GATEWAY, **fields},
        compiled=compiled,
        digest="D",
        credentials_revision="R",
        pods=pods,
        known=known,
    )


def told_and_late(
    resources: Resources,
    views: Sequence[Deployed],
    before: dict[ResourceKey, Status] | None = None,
    now: datetime = NOW,
    held: Container[ResourceKey] = frozenset(),
) -> Told:
    """What has to be written, and what has to wait."""
    every = (*resources.routes, *resources.providers, *resources.caches)
    keys = {resource.key for resource in every} | {finding.resource for finding in resources.refused}
    subjects = [Subject(key, 3, (before or {}).get(key)) for key in keys if key]
    return statuses(subjects, resources, views, now, held)


def told(
    resources: Resources,
    views: Sequence[Deployed],
    before: dict[ResourceKey, Status] | None = None,
    now: datetime = NOW,
) -> dict[ResourceKey, Status]:
    """What has to be written, by resource."""
    return told_and_late(resources, views, before, now).statuses


def reasons(status: Status) -> dict[str, tuple[str, str]]:
    return {found["type"]: (found["status"], found["reason"]) for found in status["conditions"]}


def message(status: Status, of_type: str = "Programmed") -> str:
    return next(str(found["message"]) for found in status["conditions"] if found["type"] == of_type)


def runs(pod: str = "p", digest: str | None = "D", revision: str | None = "R") -> Acknowledgement:
    return Acknowledgement(pod, digest, revision)


SERVED = Resources([route("chat", ["chat"], [TARGET])], [provider("mock")])


def test_a_whole_status():
    status = told(SERVED, [deployed(SERVED, runs())])[CHAT]
    assert (status["observedGeneration"], status["models"], status["programmed"]) == (3, "chat", "1/1 pods")
    assert reasons(status) == {
        "Accepted": ("True", "Accepted"),
        "ResolvedRefs": ("True", "Resolved"),
        "Programmed": ("True", "Programmed"),
        "Ready": ("True", "Programmed"),
    }
    for condition in status["conditions"]:
        assert (condition["observedGeneration"], condition["lastTransitionTime"]) == (3, "2026-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("pods", "reason", "said"),
    [
        ((), "NoPods", "no pod of gateway default/sluice-gateway is ready"),
        ((runs(digest=None), runs("q")), "Pending", "1/2 pods"),
        ((runs(digest="old"),), "Pending", "0/1 pods"),
        (
            (Acknowledgement("p", "old", "R", Refusal("D", "too new")), runs("q")),
            "Refused",
            "1/2 pods; pod p refused the configuration: too new",
        ),
        ((Acknowledgement("p", "old", "R", Refusal("other", "long ago")),), "Pending", "0/1 pods"),
        ((Acknowledgement("p", None, None, Refusal(None, "not JSON")),), "Refused", "0/1 pods; pod p refused"),
    ],
)
def test_what_pods_say_decides_whether_it_is_programmed(pods: tuple[Acknowledgement, ...], reason: str, said: str):
    status = told(SERVED, [deployed(SERVED, *pods)])[CHAT]
    assert reasons(status)["Programmed"] == reasons(status)["Ready"] == ("False", reason)
    assert message(status).startswith(said)


def test_a_refusals_reason_is_cut():
    pod = Acknowledgement("p", None, None, Refusal("D", "x" * 5000))
    assert len(message(told(SERVED, [deployed(SERVED, pod)])[CHAT])) < 600


def test_what_could_not_be_written_is_told():
    status = told(SERVED, [deployed(SERVED, unwritten="GET configmaps: 403")])[CHAT]
    assert message(status) == "0/0 pods; not written: GET configmaps: 403"
    assert reasons(status)["Programmed"] == ("False", "Pending")


def test_pods_that_could_not_be_found_are_not_said_to_be_none():
    status = told(SERVED, [deployed(SERVED, unasked="GET pods default: 403 not yours")])[CHAT]
    assert message(status) == "0/0 pods; pods can't be found: GET pods default: 403 not yours"
    assert reasons(status)["Programmed"] == ("False", "Pending")
    status = told(SERVED, [deployed(SERVED, runs(), unasked="GET pods default: 500")])[CHAT]
    assert message(status) == "1/1 pods"


def test_a_pod_with_the_previous_configuration_counts_for_what_has_not_changed():
    before = Resources([route("chat", ["chat"], [TARGET]), route("other", ["a"], [TARGET])], [provider("mock")])
    after = Resources([route("chat", ["chat"], [TARGET]), route("other", ["b"], [TARGET])], [provider("mock")])
    known = {"old": parts_of(compile_resources(GATEWAY, before).snapshot)}
    status = told(after, [deployed(after, runs(digest="old"), known=known)])
    assert reasons(status[CHAT])["Programmed"] == ("True", "Programmed")
    assert reasons(status[ResourceKey("ModelRoute", "default", "other")])["Programmed"] == ("False", "Pending")


def test_only_who_uses_credentials_waits_for_them():
    keyed = provider("openai", "openai", credentials={"secretRef": {"name": "openai", "key": "k"}})
    secrets = {("default", "openai"): frozenset({"k"})}
    resources = Resources(
        [route("chat", ["chat"], [TARGET]), route("paid", ["paid"], [{"provider": "openai"}])],
        [provider("mock"), keyed],
        secrets=secrets,
    )
    status = told(resources, [deployed(resources, runs(revision="old"))])
    assert reasons(status[ResourceKey("ProviderPolicy", "default", "mock")])["Programmed"][0] == "True"
    assert reasons(status[keyed.key])["Programmed"] == ("False", "Pending")


def test_without_a_gateway_every_resource_has_its_conditions():
    resources = Resources([route("chat", ["chat"], [TARGET])], [provider("mock")], [cache("answers")])
    status = told(resources, [])
    assert reasons(status[CHAT])["Accepted"] == ("False", "GatewayNotFound")
    assert reasons(status[CHAT])["Ready"] == ("False", "GatewayNotFound")
    unused = status[ResourceKey("ProviderPolicy", "default", "mock")]
    assert reasons(unused)["Ready"] == ("True", "Programmed")
    unused = status[ResourceKey("CachePolicy", "default", "answers")]
    assert (unused["store"], "models" in unused, "programmed" in unused) == ("memory", False, False)


def test_the_gateway_that_takes_a_route_decides():
    far = Gateway("far", "sluice-gateway")
    views = [deployed(SERVED, gateway=far), deployed(SERVED, runs())]
    for order in (views, views[::-1]):
        assert reasons(told(SERVED, order)[CHAT])["Ready"] == ("True", "Programmed")


def test_another_gateways_view_of_a_route_means_nothing():
    """It would say that it does not take the route; its own one says that its name is lost."""
    ref = {"name": "edge", "namespace": "far"}
    routes = [
        route("chat", ["chat"], [TARGET], gatewayRef=ref, creationTimestamp="2026-01-02T00:00:00Z"),
        route("elder", ["chat"], [TARGET], gatewayRef=ref, creationTimestamp="2026-01-01T00:00:00Z"),
    ]
    resources = Resources(routes, [provider("mock")])
    edge = Gateway("far", "edge", RoutesFrom.ALL)
    views = [deployed(resources), deployed(resources, gateway=edge)]
    for order in (views, views[::-1]):
        assert reasons(told(resources, order)[CHAT])["Accepted"] == ("False", "Conflicted")


def test_a_taken_name_is_the_routes_matter():
    status = told(SERVED, [deployed(SERVED, runs(), taken="ConfigMap x belongs to somebody else")])
    assert reasons(status[CHAT])["Accepted"] == reasons(status[CHAT])["Ready"] == ("False", "NameTaken")
    assert reasons(status[ResourceKey("ProviderPolicy", "default", "mock")])["Accepted"] == ("True", "Accepted")


def test_what_is_right_already_is_not_written():
    view = [deployed(SERVED, runs())]
    before = told(SERVED, view)
    assert told(SERVED, view, before, LATER) == {}
    shuffled = {key: {**status, "conditions": status["conditions"][::-1]} for key, status in before.items()}
    assert told(SERVED, view, shuffled, LATER) == {}


def test_conditions_of_somebody_else_mean_nothing():
    view = [deployed(SERVED, runs())]
    theirs = {"type": "Theirs", "status": "True", "reason": "R", "message": ""}
    before = {key: {**one, "conditions": [*one["conditions"], theirs]} for key, one in told(SERVED, view).items()}
    assert told(SERVED, view, before, LATER) == {}


def test_a_condition_of_ours_that_holds_no_more_goes():
    view = [deployed(SERVED, runs())]
    before = told(SERVED, view)
    before[CHAT]["conditions"].append({"type": "Conflicted", "status": "True", "reason": "Conflicted", "message": ""})
    assert "Conflicted" not in reasons(told(SERVED, view, before, LATER)[CHAT])


def test_times_move_when_the_status_of_a_condition_does():
    before = told(SERVED, [deployed(SERVED)])
    after = told(SERVED, [deployed(SERVED, runs())], before, LATER)[CHAT]
    moved = {found["type"] for found in after["conditions"] if found["lastTransitionTime"] == "2026-01-02T00:00:00Z"}
    assert moved == {"Programmed", "Ready"}


def test_a_reason_that_changes_alone_keeps_the_time():
    before = told(SERVED, [deployed(SERVED)])
    after = told(SERVED, [deployed(SERVED, runs(digest=None))], before, LATER)[CHAT]
    times = {found["type"]: found["lastTransitionTime"] for found in after["conditions"]}
    assert reasons(after)["Programmed"] == ("False", "Pending")
    assert set(times.values()) == {"2026-01-01T00:00:00Z"}


def test_a_route_without_targets_changes_with_who_can_answer_for_it():
    auto = route("chat", ["*"])
    models = [{"name": "m"}]
    one = Resources([auto], [provider("a", models=models)])
    two = Resources([auto], [provider("a", models=models), provider("b", models=models)])
    parts = [parts_of(compile_resources(GATEWAY, resources).snapshot)[CHAT] for resources in (one, two)]
    assert parts[0] != parts[1]


TROUBLE = Trouble(BREAKER_OPEN, "default/mock", "m", routes=("default/chat",))


def troubled(*troubles: Trouble, pods: int = 3) -> Deployed:
    """The gateway, when its pods report this."""
    return deployed(SERVED, runs(), troubles=troubles, reporting=pods)


def targets(status: Status) -> tuple[str, str, str]:
    """Status, reason and transition time of TargetsHealthy."""
    [found] = [one for one in status["conditions"] if one["type"] == "TargetsHealthy"]
    return found["status"], found["reason"], found["lastTransitionTime"]


def test_what_pods_report_is_told_to_the_route_and_the_policy():
    told_now = told(SERVED, [troubled(TROUBLE)])
    for key in (CHAT, MOCK):
        assert targets(told_now[key]) == ("False", "BreakerOpen", "2026-01-01T00:00:00Z")
        assert "(1 of 3 pods)" in message(told_now[key], "TargetsHealthy")
        assert reasons(told_now[key])["Ready"] == ("True", "Programmed")
    assert told(SERVED, [troubled(TROUBLE)], told_now, LATER) == {}


def test_what_has_passed_is_told_with_the_time_and_without_a_trouble_nothing_is():
    assert "TargetsHealthy" not in reasons(told(SERVED, [troubled()])[CHAT])
    before = told(SERVED, [troubled(TROUBLE)])
    passed = told(SERVED, [troubled()], before, LATER)
    assert targets(passed[CHAT]) == targets(passed[MOCK]) == ("True", "Healthy", "2026-01-02T00:00:00Z")
    assert told(SERVED, [troubled()], passed, NOW) == {}
    assert "TargetsHealthy" not in reasons(told(SERVED, [troubled(pods=0)], passed)[CHAT])


def test_what_is_held_keeps_what_it_says_of_its_targets_and_nothing_else():
    first = told(SERVED, [troubled(TROUBLE)])
    more = TROUBLE._replace(reason=NOT_OFFERED, pods=2)
    for view in (troubled(TROUBLE, more), troubled(TROUBLE, pods=2), troubled()):
        written, late = told_and_late(SERVED, [view], first, LATER, {CHAT})
        assert (set(written), set(late)) == ({MOCK}, {CHAT})
    pending = [deployed(SERVED, runs(digest="old"), reporting=3)]
    written, late = told_and_late(SERVED, pending, first, LATER, {CHAT})
    assert (reasons(written[CHAT])["Programmed"][0], set(late)) == ("False", {CHAT})
    assert targets(written[CHAT]) == targets(first[CHAT])
    assert told_and_late(SERVED, [troubled(TROUBLE)], first, LATER, {CHAT, MOCK}) == ({}, frozenset())


def test_a_provider_of_two_gateways_is_told_of_by_both():
    """One that is well counts too."""
    resources = Resources(
        [*SERVED.routes, route("edge", ["edge"], [TARGET], gatewayRef={"name": "edge"})], SERVED.providers
    )
    well = deployed(resources, runs(), gateway=Gateway("default", "edge"), reporting=4)
    troubles = deployed(resources, runs(), troubles=(TROUBLE,), reporting=3)
    written = told(resources, [troubles, well])
    assert "(1 of 7 pods)" in message(written[MOCK], "TargetsHealthy")
    assert "(1 of 3 pods)" in message(written[CHAT], "TargetsHealthy")
    assert "TargetsHealthy" not in reasons(written[ResourceKey("ModelRoute", "default", "edge")])


def test_a_gateway_tells_nothing_of_what_it_does_not_serve():
    """Else the pods of one gateway could write into the statuses of others' resources."""
    elsewhere = Resources(
        [*SERVED.routes, route("idle", ["idle"], [TARGET], gatewayRef={"name": "other"})],
        [*SERVED.providers, provider("unused")],
    )
    foreign = [
        TROUBLE._replace(provider="default/nobody"),
        TROUBLE._replace(provider="default/unused", routes=("default/idle", "default/none")),
    ]
    told_now = told(elsewhere, [deployed(elsewhere, runs(), troubles=foreign, reporting=3)])
    assert all("TargetsHealthy" not in reasons(status) for status in told_now.values())
