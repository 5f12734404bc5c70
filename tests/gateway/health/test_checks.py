"""When providers are checked, what stays over a reload, and who is told."""

import asyncio
import io
from typing import Any

import pytest

from sluice_gateway.health.checks import FIRST_SECONDS, Checks
from sluice_gateway.health.history import Outcome, Result
from sluice_gateway.health.questions import ask
from sluice_gateway.providers.provider import Provider
from sluice_gateway.routing.table import build_table
from sluice_gateway.telemetry.log import LineWriter, make_logger
from sluice_gateway.telemetry.metrics import Metrics
from sluice_gateway.upstream import LeanUpstream
from tests.support.gateway import loaded, provider, route
from tests.support.moving_time import MovingTime
from tests.support.upstream import answer, json_answer, says, says_then_stalls, serve

URL = "http://127.0.0.1:9"
ALL = route("all", models=("*",))
GOOD, FAILED = Outcome(Result.GOOD), Outcome(Result.FAILED, "status 500")
REJECTED = Outcome(Result.REJECTED, "key refused")
FIRST = 17.5  # by the chance of a half


class Checked:
    """Checks whose providers answer what the test says, unless they are really asked; ``asked`` has the moments at
    which they were.
    """

    def __init__(self, chance: float = 0.5, *, really: bool = False) -> None:
        self.time = MovingTime()
        self.answers: dict[str, Outcome | Exception | None] = {}
        self.asked: list[tuple[float, str]] = []
        self.told: list[tuple[str, bool, str]] = []
        self.news = asyncio.Event()
        self.file = io.BytesIO()
        self.lines = LineWriter(self.file)
        self.metrics = Metrics()
        self.checks = Checks(
            make_logger(self.lines),
            self.metrics,
            ask=ask if really else self.answer,
            clock=self.time.clock,
            wall=lambda: 1_700_000_000.0 + self.now,
            sleep=self.time.sleep,
            chance=lambda: chance,
        )
        self.checks.observers.append(self.tell)

    @property
    def now(self) -> float:
        return self.time.clock() - 1000.0

    def tell(self, provider: str, healthy: bool, reason: str) -> None:
        self.told.append((provider, healthy, reason))
        self.news.set()

    async def hear(self) -> tuple[str, bool, str]:
        """The next news."""
        async with asyncio.timeout(5):
            await self.news.wait()
        self.news.clear()
        return self.told[-1]

    async def answer(self, asked: Provider) -> Outcome:
        self.asked.append((self.now, asked.label))
        said = self.answers.get(asked.label, GOOD)
        if said is None:
            await asyncio.Event().wait()
        if isinstance(said, Exception):
            raise said
        return said or GOOD

    async def follow(self, text: str, seconds: float = FIRST, keys: dict[str, str] | None = None) -> None:
        event = loaded(text, keys=keys)
        self.checks.follow(build_table(event.snapshot, event.digest, event.credentials, LeanUpstream()))
        await self.time.move(seconds)

    async def passed(self, after: float, name: str = "default/p") -> None:
        """A caller's request is served, after so many seconds."""
        await self.time.move(after)
        self.checks.passed(name, self.time.clock())

    def moments(self) -> list[float]:
        return [moment for moment, _ in self.asked]

    def results(self) -> list[str]:
        [one] = self.checks.described()
        return [check["result"] for check in one["checks"]]

    def figures(self) -> dict[str, float]:
        lines = [line.rsplit(" ", 1) for line in self.metrics.render().decode().splitlines()]
        return {name: float(value) for name, value in lines if name.startswith(("sluice_provider", "sluice_health"))}

    def log(self, event: str) -> int:
        self.lines.flush()
        return self.file.getvalue().decode().count(f'"event":"{event}"')


def policy(name: str = "p", url: str = URL, interval: int = 100, health: Any = None, **spec: Any) -> str:
    check = {"intervalSeconds": interval} | (health or {})
    return provider(name, url, healthCheck=check, models=[{"name": "m"}], **spec)


async def test_checks_come_in_the_policys_rhythm() -> None:
    checked = Checked()
    await checked.follow(policy() + ALL, 250)
    assert checked.asked == [(FIRST, "p"), (FIRST + 105, "p"), (FIRST + 210, "p")]
    await checked.checks.close()
    await checked.time.move(1000)
    assert len(checked.asked) == 3


@pytest.mark.parametrize(("chance", "first", "second"), [(0.0, 5.0, 105.0), (1.0, 30.0, 140.0)])
async def test_pods_do_not_ask_together(chance: float, first: float, second: float) -> None:
    checked = Checked(chance)
    await checked.follow(policy() + ALL, 145)
    assert checked.moments()[:2] == pytest.approx([first, second])
    assert FIRST_SECONDS == (5.0, 30.0)
    await checked.checks.close()


async def test_who_needs_no_check_gets_none() -> None:
    checked = Checked()
    text = policy("off", health={"enabled": False}) + provider("mock") + policy("gone", enabled=False)
    await checked.follow(text + route("m", "mock", "off/m", "gone/m"), 1000)
    assert (checked.asked, checked.checks.described(), checked.checks.healthy("default/off")) == ([], [], "")
    checked.checks.passed("default/off", checked.time.clock())
    await checked.checks.close()


async def test_a_provider_becomes_unhealthy_and_healthy_again() -> None:
    checked = Checked()
    checked.answers["p"] = FAILED
    await checked.follow(policy(health={"failureThreshold": 2, "successThreshold": 2}) + ALL)
    assert (checked.checks.healthy("default/p"), checked.told, checked.figures()) == (
        "",
        [],
        {'sluice_health_checks_total{provider="default/p",result="failed"}': 1.0}
        | {key: value for key, value in checked.figures().items() if "created" in key},
    )
    await checked.time.move(105)
    assert checked.checks.healthy("default/p") == "status 500"
    assert checked.told == [("default/p", False, "status 500")]
    assert checked.figures()['sluice_provider_healthy{provider="default/p"}'] == 0.0
    checked.answers["p"] = GOOD
    await checked.time.move(105)
    assert checked.checks.healthy("default/p") == "status 500"
    await checked.time.move(105)
    assert checked.checks.healthy("default/p") == ""
    assert checked.told == [("default/p", False, "status 500"), ("default/p", True, "")]
    assert checked.figures()['sluice_provider_healthy{provider="default/p"}'] == 1.0
    assert checked.figures()['sluice_health_checks_total{provider="default/p",result="good"}'] == 2.0
    await checked.checks.close()


async def test_the_first_good_check_is_no_news() -> None:
    checked = Checked()
    await checked.follow(policy() + ALL)
    assert (checked.told, checked.figures()['sluice_provider_healthy{provider="default/p"}']) == ([], 1.0)
    await checked.checks.close()


async def test_what_is_described() -> None:
    checked = Checked()
    checked.answers |= {"p": REJECTED, "q": GOOD}
    await checked.follow(policy("q") + policy(health={"failureThreshold": 1}) + ALL)
    p, q = checked.checks.described()
    assert p == {
        "provider": "default/p",
        "state": "unhealthy",
        "reason": "key refused",
        "credentialsRejected": True,
        "checks": [
            {"at": "2023-11-14T22:13:37.500Z", "result": "rejected", "milliseconds": 0.0, "reason": "key refused"}
        ],
    }
    assert (q["provider"], q["state"], q["reason"], q["credentialsRejected"]) == ("default/q", "healthy", "", False)
    await checked.checks.close()


async def test_traffic_within_the_interval_stands_for_a_check() -> None:
    checked = Checked(chance=0.0)
    await checked.follow(policy() + ALL, 0)
    await checked.passed(3)
    await checked.time.move(3)
    assert checked.results() == ["traffic"]
    assert checked.asked == []  # at 5 s: served 2 s ago, so the next look is at 103 s
    await checked.passed(90)
    await checked.time.move(9)
    assert checked.results() == ["traffic", "traffic"]
    await checked.time.move(90)
    assert checked.asked == []
    await checked.time.move(3)  # at 196 s: nobody was served for 100 s
    assert checked.moments() == pytest.approx([196.0])
    assert checked.results() == ["traffic", "traffic", "good"]
    await checked.checks.close()


async def test_traffic_that_is_as_old_as_the_interval_does_not() -> None:
    checked = Checked(chance=0.0)
    await checked.follow(policy(interval=5, health={"timeoutSeconds": 5}) + ALL, 0)
    await checked.passed(0)
    await checked.time.move(5)
    assert checked.moments() == [5.0]
    await checked.checks.close()


async def test_traffic_makes_an_unhealthy_provider_healthy_at_once() -> None:
    checked = Checked()
    checked.answers["p"] = FAILED
    await checked.follow(policy(health={"failureThreshold": 1, "successThreshold": 2}) + ALL)
    await checked.passed(1)
    assert checked.checks.healthy("default/p") == "status 500"
    await checked.passed(1)
    await checked.passed(1)
    assert checked.checks.healthy("default/p") == ""
    assert checked.results() == ["failed", "traffic", "traffic"]
    assert checked.told[1:] == [("default/p", True, "")]
    await checked.checks.close()


async def test_a_key_that_is_refused_to_callers_is_known_until_something_good_comes() -> None:
    checked = Checked()
    await checked.follow(policy() + ALL)
    for cure in ("traffic", "good"):
        checked.checks.refused("default/p")
        [one] = checked.checks.described()
        assert (one["credentialsRejected"], one["state"], checked.checks.healthy("default/p")) == (True, "healthy", "")
        if cure == "traffic":
            await checked.passed(1)
        else:
            await checked.time.move(250)
        assert not checked.checks.described()[0]["credentialsRejected"]
    assert checked.results() == ["good", "traffic", "good", "good"]
    checked.checks.refused("default/unknown")
    assert checked.told == []
    await checked.checks.close()


async def test_a_check_that_was_refused_is_disproved_by_traffic() -> None:
    checked = Checked()
    checked.answers["p"] = REJECTED
    await checked.follow(policy() + ALL)
    assert checked.checks.described()[0]["credentialsRejected"]
    await checked.passed(1)
    assert not checked.checks.described()[0]["credentialsRejected"]
    await checked.checks.close()


async def test_an_answer_that_never_comes_is_a_failure() -> None:
    async with serve(says_then_stalls()) as upstream:
        checked = Checked(really=True)
        await checked.follow(policy(url=upstream.url, health={"timeoutSeconds": 1, "failureThreshold": 1}) + ALL)
        _, healthy, reason = await checked.hear()
        assert not healthy
        assert reason in ("no answer within 1 s", "no answer in time", "the exchange took too long")
        await upstream.left()
        await checked.checks.close()


async def test_what_a_provider_says_is_shown_without_its_key() -> None:
    secret = {"secretRef": {"name": "k", "key": "api-key"}}
    said = json_answer({"error": {"message": "bad sk-canary of 127.0.0.1"}}, 500)
    async with serve(says(said)) as upstream:
        checked = Checked(really=True)
        health = {"model": "m", "failureThreshold": 1}
        text = policy(url=upstream.url, health=health, credentials=secret) + ALL
        await checked.follow(text, keys={"k": "sk-canary"})
        assert await checked.hear() == ("default/p", False, "status 500: bad *** of ***")
        await checked.checks.close()


async def test_a_defect_is_logged_and_held_against_nobody() -> None:
    checked = Checked()
    checked.answers["p"] = ZeroDivisionError("boom")
    await checked.follow(policy() + ALL, FIRST + 105)
    assert checked.log("defect") == 2
    assert checked.results() == []
    checked.answers["p"] = GOOD
    await checked.time.move(105)
    assert checked.results() == ["good"]
    await checked.checks.close()


async def test_a_reload_keeps_what_is_known_and_the_rhythm() -> None:
    checked = Checked()
    checked.answers["p"] = FAILED
    text = policy(health={"failureThreshold": 1}) + ALL
    await checked.follow(text, 50)
    await checked.follow(text + route("more", "p/a", models=("more",)), 0)
    assert checked.checks.healthy("default/p") == "status 500"
    await checked.time.move(75)
    assert checked.moments() == [FIRST, FIRST + 105]
    await checked.checks.close()


async def test_another_rhythm_begins_at_once_and_keeps_what_is_known() -> None:
    checked = Checked()
    checked.answers["p"] = FAILED
    await checked.follow(policy(interval=86400, health={"failureThreshold": 1}) + ALL, 50)
    await checked.follow(policy(interval=100, health={"failureThreshold": 1}) + ALL, 0)
    assert checked.checks.healthy("default/p") == "status 500"
    await checked.time.move(130)
    assert checked.moments() == [FIRST, 50 + FIRST, 50 + FIRST + 105]
    await checked.checks.close()


@pytest.mark.parametrize("change", ["key", "url", "vendor", "headers"])
async def test_another_key_or_url_begins_anew(change: str) -> None:
    checked = Checked()
    checked.answers["p"] = FAILED
    secret = {"secretRef": {"name": "k", "key": "api-key"}}
    health = {"failureThreshold": 1}
    await checked.follow(policy(health=health, credentials=secret) + ALL, keys={"k": "one"})
    url = "http://127.0.0.1:10" if change == "url" else URL
    spec: dict[str, Any] = {"provider": "vllm"} if change == "vendor" else {}
    if change == "headers":
        spec["headers"] = [{"name": "x-team", "value": "red"}]
    key = "two" if change == "key" else "one"
    await checked.follow(policy(url=url, health=health, credentials=secret, **spec) + ALL, 0, keys={"k": key})
    assert checked.checks.healthy("default/p") == ""
    assert checked.checks.described()[0]["checks"] == []
    assert 'sluice_provider_healthy{provider="default/p"}' not in checked.figures()
    await checked.time.move(FIRST)
    assert checked.moments() == [FIRST, 2 * FIRST]
    await checked.checks.close()


async def test_who_is_gone_or_switched_off_is_asked_no_more() -> None:
    checked = Checked()
    checked.answers |= {"p": FAILED, "q": FAILED}
    health = {"failureThreshold": 1}
    await checked.follow(policy("p", health=health) + policy("q", health=health) + ALL)
    await checked.follow(policy("p", health=health) + policy("q", health={"enabled": False}) + ALL, 150)
    assert [label for _, label in checked.asked] == ["p", "q", "p"]
    assert checked.checks.healthy("default/q") == ""
    assert [name for name in checked.figures() if "provider_healthy" in name and "default/q" in name] == []
    await checked.follow(provider("mock") + route("m", "mock"), 300)
    assert (len(checked.asked), checked.checks.described()) == (3, [])
    await checked.checks.close()


async def test_a_check_that_is_under_way_counts_nothing_after_the_end() -> None:
    checked = Checked()
    checked.answers["p"] = None
    await checked.follow(policy() + ALL)
    assert len(checked.asked) == 1
    await checked.checks.close()
    assert (checked.checks.described(), checked.checks.healthy("default/p")) == ([], "")


async def test_a_server_that_comes_back_is_seen() -> None:
    async with serve(says(answer(503), answer(200))) as upstream:
        checked = Checked(really=True)
        await checked.follow(policy(url=upstream.url, health={"failureThreshold": 1}) + ALL)
        assert await checked.hear() == ("default/p", False, "the provider answered with status 503")
        await checked.time.move(105)
        assert await checked.hear() == ("default/p", True, "")
        assert [request.target for request in upstream.requests] == ["/v1/models", "/v1/models"]
        await checked.checks.close()
