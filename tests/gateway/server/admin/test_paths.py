"""The admin paths over HTTP: what they show, what they change, and what they refuse."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sluice_config.resources.provider_policy import CircuitBreaker
from sluice_gateway.calls import Call
from sluice_gateway.errors import ModelNotFound
from sluice_gateway.resilience.breaker import State, Verdict
from sluice_gateway.routing.table import RoutingTable
from sluice_gateway.state.news import Order
from sluice_gateway.telemetry.log import make_logger
from sluice_gateway.telemetry.target_figures import SERVED
from tests.support.admin import Parts, admin
from tests.support.gateway import provider, route

ONE = provider("a") + provider("b") + route("one", "a/small", "a/large", "b/small")
A_SMALL = {"provider": "default/a", "model": "small"}
HELLO = {"model": "one", "messages": [{"role": "user", "content": "Hello"}]}
GETS = ("/admin/providers", "/admin/breakers", "/admin/limits")
POSTS = ("/admin/breakers/open", "/admin/breakers/close", "/admin/breakers/reset", "/admin/explain")


def fail(parts: Parts, provider: str, model: str, **policy: int) -> None:
    breaker = parts.breakers.of(provider, model, CircuitBreaker(**{"failure_threshold": 1} | policy))
    now = parts.time.clock()
    breaker.leave(Verdict.BAD, now, breaker.enter(now))


def serve(parts: Parts, provider: str, model: str, first_byte: float = 0.2, total: float = 1.0) -> None:
    now = parts.time.clock()
    parts.figures.note(
        provider, model, SERVED, asked=now - total, first_byte=now - total + first_byte, now=now, stream=True
    )


async def test_each_path_wants_to_be_let_in(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("the-token")
    async with admin(ONE, token_file=tmp_path / "token") as (door, parts):
        assert parts.paths(make_logger()).keys() == {*GETS, *POSTS}
        for path in GETS:
            assert (await door.ask(path))[0] == 401
            assert (await door.ask(path, authorization="Bearer the-token"))[0] == 200
        for path in POSTS:
            assert (await door.ask(path, {"never": "read"}))[0] == 401
        assert "never" not in door.log_text()


async def test_breakers_are_listed_with_those_that_matter_first() -> None:
    async with admin(ONE) as (door, parts):
        parts.breakers.of("default/a", "large", CircuitBreaker())
        fail(parts, "default/b", "small", open_seconds=30)
        status, body = await door.ask("/admin/breakers")
    assert (status, body["more"]) == (200, 0)
    assert body["breakers"] == [
        {
            "provider": "default/b",
            "model": "small",
            "state": "open",
            "secondsLeft": 30,
            "byHand": False,
            "failures": 1,
            "opened": 1,
        },
        {
            "provider": "default/a",
            "model": "large",
            "state": "closed",
            "secondsLeft": 0,
            "byHand": False,
            "failures": 0,
            "opened": 0,
        },
    ]


async def test_a_breaker_is_opened_and_says_for_whom() -> None:
    async with admin(ONE) as (door, parts):
        status, body = await door.ask("/admin/breakers/open", A_SMALL | {"seconds": 600})
        assert status == 200
        assert body == {
            "action": "open",
            "provider": "default/a",
            "models": ["small"],
            "until": "2027-01-15T08:10:00Z",
            "scope": "pod",
            "note": "it holds for the pod that was asked alone: "
            "pods hear of each other through a state Redis, and SLUICE_STATE_URL names none",
        }
        breaker = parts.breakers.find("default/a", "small")
        assert breaker is not None
        assert (breaker.state(parts.time.clock()), breaker.wait(parts.time.clock())) == (State.OPEN, 600.0)
        assert door.log()[-1] | {"time": ""} == {
            "event": "admin override",
            "level": "warning",
            "time": "",
            "who": "local",
            "action": "open",
            "provider": "default/a",
            "model": "small",
            "until": "2027-01-15T08:10:00Z",
            "scope": "pod",
        }


async def test_all_of_a_provider_is_closed_and_reset() -> None:
    async with admin(ONE) as (door, parts):
        fail(parts, "default/a", "small")
        _, body = await door.ask("/admin/breakers/close", {"provider": "default/a", "seconds": 1})
        assert (body["models"], body["until"]) == (["large", "small"], "2027-01-15T08:00:01Z")
        assert {one.state for one in parts.breakers.all(parts.time.clock())} == {State.CLOSED}
        await parts.time.move(1)
        _, body = await door.ask("/admin/breakers/reset", {"provider": "default/a"})
        assert (body["action"], body["models"], body["until"]) == ("reset", ["large", "small"], None)
        assert [line["model"] for line in door.log()] == ["*", "*"]


class Pods:
    """Stands for the other pods, which hear or don't, or don't hear of one order; an exception stands for a defect."""

    def __init__(self, heard: bool | Exception = True, deaf_to: str = "") -> None:
        self.heard = heard
        self.deaf_to = deaf_to
        self.told: list[tuple[str, str, str, float]] = []

    async def override(self, order: Order, provider: str, model: str, seconds: float = 0) -> bool:
        self.told.append((order, provider, model, seconds))
        if isinstance(self.heard, Exception):
            raise self.heard
        return self.heard and order != self.deaf_to


@pytest.mark.parametrize(("heard", "scope", "word"), [(True, "gateway", "all pods"), (False, "pod", "did not answer")])
async def test_pods_are_told_through_the_state_redis(heard: bool, scope: str, word: str) -> None:
    pods = Pods(heard)
    async with admin(ONE, news=pods) as (door, _):
        _, body = await door.ask("/admin/breakers/open", {"provider": "default/b", "model": "small", "seconds": 5})
        assert (body["scope"], word in body["note"], door.log()[-1]["scope"]) == (scope, True, scope)
    assert pods.told == [("open", "default/b", "small", 5)]


async def test_an_order_for_all_takes_back_what_pods_were_told_before() -> None:
    pods = Pods()
    async with admin(ONE, news=pods) as (door, _):
        await door.ask("/admin/breakers/open", A_SMALL | {"seconds": 5})
        await door.ask("/admin/breakers/reset", {"provider": "default/a"})
    assert pods.told[1:] == [("reset", "default/a", "small", 0), ("reset", "default/a", "", 0)]


async def test_all_of_it_must_be_heard() -> None:
    async with admin(ONE, news=Pods(deaf_to="reset")) as (door, _):
        _, body = await door.ask("/admin/breakers/open", A_SMALL | {"seconds": 5})
        assert body["scope"] == "gateway"
        _, body = await door.ask("/admin/breakers/open", {"provider": "default/a", "seconds": 5})
        assert body["scope"] == "pod"


async def test_a_defect_in_telling_leaves_a_line_of_what_was_done() -> None:
    async with admin(ONE, news=Pods(LookupError())) as (door, parts):
        assert (await door.ask("/admin/breakers/open", A_SMALL | {"seconds": 5}))[0] == 500
        assert [line["event"] for line in door.log()] == ["admin override", "defect"]
        assert parts.breakers.find("default/a", "small") is not None


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        ({"provider": "default/x", "seconds": 5}, 404, "not_found", "provider"),
        (A_SMALL | {"model": "huge", "seconds": 5}, 404, "not_found", "model"),
        (A_SMALL, 400, "invalid_request", "seconds"),
        (A_SMALL | {"seconds": 86_401}, 400, "parameter_out_of_range", "seconds"),
        (A_SMALL | {"seconds": 5, "force": True}, 400, "invalid_request", "force"),
        ([], 400, "invalid_request", None),
    ],
)
async def test_what_can_not_be_done_is_told_and_not_done(body: Any, status: int, code: str, param: str | None) -> None:
    async with admin(ONE) as (door, parts):
        answered, told = await door.ask("/admin/breakers/open", body)
        assert (answered, told["error"]["code"], told["error"]["param"]) == (status, code, param)
        assert parts.breakers.all(parts.time.clock()) == []
        assert door.log() == []


@pytest.mark.parametrize("path", POSTS)
async def test_a_form_of_a_website_is_not_taken_for_json(path: str) -> None:
    async with admin(ONE) as (door, _):
        body = json.dumps(A_SMALL | {"seconds": 5}).encode()
        for kind in (None, "text/plain", "application/x-www-form-urlencoded"):
            headers = {} if kind is None else {"content-type": kind}
            async with door.session.post(
                door.url + path, data=body, headers=headers, skip_auto_headers=["content-type"]
            ) as response:
                assert (response.status, (await response.json())["error"]["code"]) == (415, "unsupported_media_type")


async def test_a_large_body_is_refused() -> None:
    async with admin(ONE) as (door, _):
        assert (await door.ask("/admin/explain", {"request": "x" * 10_000}))[0] == 413


async def test_other_methods_are_told() -> None:
    async with admin(ONE) as (door, _):
        for path in GETS:
            assert (await door.ask(path, {}))[0] == 405
        for path in POSTS:
            assert (await door.ask(path))[0] == 405


async def test_nothing_is_kept_by_browsers() -> None:
    async with admin(ONE) as (door, _), door.session.get(f"{door.url}/admin/breakers") as response:
        assert (response.headers["cache-control"], response.headers["server"]) == ("no-store", "sluice")


async def test_a_provider_is_shown_with_all_that_is_known_of_it() -> None:
    async with admin(ONE) as (door, parts):
        serve(parts, "default/a", "small")
        serve(parts, "default/a", "asked-before")
        fail(parts, "default/a", "small")
        parts.health.append({"provider": "default/a", "state": "healthy", "reason": "", "checks": []})
        parts.discovery.append({"provider": "default/b", "models": 3, "slots": None, "problem": None})
        status, body = await door.ask("/admin/providers")
    assert (status, body["more"]) == (200, 0)
    first, second = body["providers"]
    assert (first["provider"], first["vendor"], first["routes"]) == ("default/a", "mock", ["default/one"])
    assert first["health"] == {"state": "healthy", "reason": "", "checks": []}
    assert [one["model"] for one in first["breakers"]] == ["small"]
    assert [one["model"] for one in first["targets"]] == ["asked-before", "large", "small"]
    assert first["targets"][0]["routes"] == []
    assert first["targets"][1:] == [
        {
            "model": "large",
            "routes": ["default/one"],
            "health": None,
            "successRate": None,
            "averageLatencyMilliseconds": None,
            "firstByteMilliseconds": None,
            "totalMilliseconds": None,
            "attempts": 0,
        },
        {
            "model": "small",
            "routes": ["default/one"],
            "health": "healthy",
            "successRate": 1.0,
            "averageLatencyMilliseconds": 200,
            "firstByteMilliseconds": {"p50": 200, "p95": 200},
            "totalMilliseconds": {"p50": 1000, "p95": 1000},
            "attempts": 1,
        },
    ]
    assert (second["provider"], second["health"], second["breakers"]) == ("default/b", None, [])
    assert second["discovery"] == {"models": 3, "slots": None, "problem": None}
    assert first["discovery"] is None


async def test_one_provider_by_its_name() -> None:
    async with admin(ONE) as (door, _):
        status, body = await door.ask("/admin/providers?provider=default/b")
        assert (status, [one["provider"] for one in body["providers"]], body["more"]) == (200, ["default/b"], 0)
        status, body = await door.ask("/admin/providers?provider=default/x")
        assert (status, body["error"]["param"]) == (404, "provider")
        assert "only default/a, default/b" in body["error"]["message"]
        status, body = await door.ask("/admin/providers?name=default/b")
        assert (status, body["error"]["param"]) == (400, "name")


async def test_of_many_providers_and_routes_some_are_shown() -> None:
    many = "".join(provider(f"p{number:03}") for number in range(201))
    one = route("all", *(f"p{number:03}/x" for number in range(64)))
    rest = "".join(
        route(f"r{number:03}", f"p{number:03}/x", models=(f"m{number}",)) for number in range(64, 201)
    ) + "".join(route(f"s{number:03}", "p000/x", models=(f"s{number}",)) for number in range(60))
    async with admin(many, one, rest) as (door, _):
        _, body = await door.ask("/admin/providers")
    assert (len(body["providers"]), body["more"]) == (200, 1)
    assert (len(body["providers"][0]["routes"]), body["providers"][0]["moreRoutes"]) == (50, 11)


async def test_before_a_configuration_there_is_nothing_to_show() -> None:
    async with admin() as (door, _):
        for path in ("/admin/providers", "/admin/explain"):
            status, body = await door.ask(path, {"request": HELLO} if path.endswith("explain") else None)
            assert (status, body["error"]["code"]) == (503, "not_ready")
        assert (await door.ask("/admin/breakers"))[1]["breakers"] == []
        assert (await door.ask("/admin/breakers/open", A_SMALL | {"seconds": 5}))[0] == 404


async def test_a_request_is_explained() -> None:
    async with admin(ONE) as (door, _):
        question = {"request": HELLO, "shape": "messages", "strategy": "cost", "consumer": "team-a"}
        assert await door.ask("/admin/explain", question) == (
            200,
            {"model": "one", "answer": "from x", "because": "cost team-a messages"},
        )
        assert (await door.ask("/admin/explain", {"request": HELLO}))[1]["because"] == " anonymous chat"
        assert door.log() == []


async def test_a_request_that_would_be_refused_is_explained_too() -> None:
    def refuses(_table: RoutingTable, call: Call, _strategy: str, _consumer: str) -> Mapping[str, Any]:
        raise ModelNotFound.for_route(call.model)

    async with admin(ONE, explain=refuses) as (door, _):
        _, body = await door.ask("/admin/explain", {"request": {"model": "none"}})
        assert body == {
            "answer": "404 model_not_found",
            "because": "no route serves the model 'none'",
            "param": "model",
        }
        _, body = await door.ask("/admin/explain", {"request": {"model": 5}})
        assert (body["answer"], body["param"]) == ("400 invalid_request", "model")
        twice = b'{"request": {"model": "one", "model": "two"}}'
        kind = {"content-type": "application/json"}
        async with door.session.post(f"{door.url}/admin/explain", data=twice, headers=kind) as response:
            assert (await response.json())["because"] == "model stands more than once in the body"
        status, body = await door.ask("/admin/explain", {"request": HELLO, "model": "one"})
        assert (status, body["error"]["param"]) == (400, "model")
