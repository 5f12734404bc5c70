"""When providers are asked, how often after failures, and what stays over a reload."""

import asyncio
import io
import itertools
from typing import Any

import pytest

from sluice_gateway.discovery.answers import Offered, Unlisted
from sluice_gateway.discovery.watch import FIRST_SECONDS, LEAST_PAUSE, TOTAL_SECONDS, Discovery
from sluice_gateway.providers.listing import listed
from sluice_gateway.providers.provider import Provider
from sluice_gateway.routing.table import RoutingTable, build_table
from sluice_gateway.telemetry.log import LineWriter, make_logger
from sluice_gateway.upstream import LeanUpstream, Upstream
from tests.support.gateway import loaded, provider, route
from tests.support.moving_time import MovingTime

URL = "http://127.0.0.1:9"
ALL = route("all", models=("*",))


class Asked:
    """A discovery whose providers answer what the test says; ``asked`` has the moments at which they were."""

    def __init__(self, chance: float = 0.5) -> None:
        self.time = MovingTime()
        self.answers: dict[str, list[str] | Exception | None] = {}
        self.asked: list[tuple[float, str]] = []
        self.file = io.BytesIO()
        self.lines = LineWriter(self.file)
        self.http = LeanUpstream()
        self.discovery = Discovery(
            self.http, make_logger(self.lines), ask=self.answer, sleep=self.time.sleep, chance=lambda: chance
        )

    async def answer(self, asked: Provider, http: Upstream) -> Offered:
        self.asked.append((self.time.clock() - 1000.0, asked.label))
        said = self.answers.get(asked.label)
        if said is None:
            await asyncio.Event().wait()
        if isinstance(said, Exception):
            raise said
        return Offered([listed(name) for name in said or ()])

    def table(self, text: str, keys: dict[str, str] | None = None) -> RoutingTable:
        event = loaded(text, keys=keys)
        return build_table(event.snapshot, event.digest, event.credentials, self.http, self.discovery.listings)

    async def follow(
        self, text: str, seconds: float = FIRST_SECONDS, keys: dict[str, str] | None = None
    ) -> RoutingTable:
        table = self.table(text, keys)
        self.discovery.follow(table)
        await self.time.move(seconds)
        return table

    def log(self, event: str) -> int:
        self.lines.flush()
        return self.file.getvalue().decode().count(f'"event":"{event}"')


def policy(name: str = "p", interval: int = 100, url: str = URL, **spec: Any) -> str:
    return provider(name, url, discovery={"enabled": True, "intervalSeconds": interval}, **spec)


def names(table: RoutingTable) -> list[str]:
    return [name for name, _ in table.names()]


async def test_the_first_question_comes_soon_and_the_next_after_the_interval() -> None:
    asked = Asked()
    asked.answers["p"] = ["a"]
    await asked.follow(policy() + ALL, 250)
    assert asked.asked == [(0.25, "p"), (100.25, "p"), (200.25, "p")]
    assert asked.log("models listed") == 1
    await asked.discovery.close()


@pytest.mark.parametrize(("chance", "second"), [(0.0, 90.0), (1.0, 110.5)])
async def test_pods_do_not_ask_together(chance: float, second: float) -> None:
    asked = Asked(chance)
    asked.answers["p"] = ["a"]
    await asked.follow(policy() + ALL, 111)
    assert asked.asked[1][0] == pytest.approx(second)
    await asked.discovery.close()


async def test_after_failures_the_pauses_grow_up_to_the_interval() -> None:
    asked = Asked()
    asked.answers["p"] = Unlisted("no")
    await asked.follow(policy(interval=30) + ALL, 120)
    moments = [moment for moment, _ in asked.asked]
    pauses = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert pauses[:5] == pytest.approx([LEAST_PAUSE, 2 * LEAST_PAUSE, 4 * LEAST_PAUSE, 30, 30])
    assert asked.log("models not listed") == 1
    asked.answers["p"] = ["a"]
    await asked.time.move(60)
    assert asked.log("models listed") == 1
    await asked.discovery.close()


async def test_the_last_answer_stays_while_a_provider_fails() -> None:
    asked = Asked()
    asked.answers["p"] = ["a", "b"]
    table = await asked.follow(policy() + ALL)
    assert names(table) == ["a", "b"]
    asked.answers["p"] = Unlisted("no")
    await asked.time.move(101)
    assert names(table) == ["a", "b"]
    assert asked.discovery.described() == [{"provider": "default/p", "models": 2, "slots": None, "problem": "no"}]
    await asked.discovery.close()


async def test_models_that_come_later_are_served_by_the_same_table() -> None:
    asked = Asked()
    asked.answers["p"] = ["a"]
    table = await asked.follow(policy() + ALL)
    match = table.match("b")
    assert match is not None
    assert match.route.targets_for("b") == ()
    asked.answers["p"] = ["b"]
    await asked.time.move(101)
    assert [target.label("b") for target in match.route.targets_for("b")] == ["p/b"]
    assert match.route.targets_for("a") == ()
    await asked.discovery.close()


async def test_of_two_who_offer_a_name_the_first_policy_is_first() -> None:
    asked = Asked()
    asked.answers |= {"b": ["x"], "c": ["x", "y"]}
    text = policy("b") + policy("c") + provider("a", models=[{"name": "x"}]) + ALL
    table = await asked.follow(text)
    match = table.match("x")
    assert match is not None
    assert [target.label("x") for target in match.route.targets_for("x")] == ["a/x", "b/x", "c/x"]
    assert [target.label("y") for target in match.route.targets_for("y")] == ["c/y"]
    await asked.discovery.close()


async def test_a_routes_own_timeouts_hold_for_what_was_discovered() -> None:
    asked = Asked()
    asked.answers["p"] = ["a"]
    table = await asked.follow(
        policy() + route("all", models=("*",), timeouts={"totalSeconds": 7, "firstByteSeconds": 3})
    )
    match = table.match("a")
    assert match is not None
    [target] = match.route.targets_for("a")
    assert (target.timeouts.total, target.timeouts.first_byte) == (7, 3)
    await asked.discovery.close()


async def test_targets_without_a_model_list_what_was_discovered() -> None:
    asked = Asked()
    asked.answers["p"] = ["gpt-a", "other"]
    table = await asked.follow(policy() + route("r", "p", models=("gpt-*",)))
    assert names(table) == ["gpt-a"]
    await asked.discovery.close()


async def test_a_reload_keeps_what_is_known_and_the_rhythm() -> None:
    asked = Asked()
    asked.answers["p"] = ["a"]
    await asked.follow(policy() + ALL, 50)
    table = await asked.follow(policy(interval=200) + ALL + route("more", "p/a", models=("more",)), 0)
    assert names(table) == ["more", "a"]
    await asked.time.move(60)
    assert [moment for moment, _ in asked.asked] == [0.25, 100.25]
    await asked.time.move(300)
    assert [moment for moment, _ in asked.asked] == [0.25, 100.25, 300.25]
    await asked.discovery.close()


@pytest.mark.parametrize("change", ["key", "url", "vendor"])
async def test_another_key_or_url_begins_anew(change: str) -> None:
    asked = Asked()
    asked.answers["p"] = ["a"]
    secret = {"secretRef": {"name": "k", "key": "api-key"}}
    await asked.follow(policy(credentials=secret) + ALL, keys={"k": "one"})
    asked.answers["p"] = None
    url = "http://127.0.0.1:10" if change == "url" else URL
    spec: dict[str, Any] = {"provider": "vllm"} if change == "vendor" else {}
    key = "two" if change == "key" else "one"
    table = await asked.follow(policy(url=url, credentials=secret, **spec) + ALL, keys={"k": key})
    assert names(table) == []
    assert len(asked.asked) == 2
    await asked.discovery.close()


async def test_who_is_gone_or_switched_off_is_asked_no_more() -> None:
    asked = Asked()
    asked.answers |= {"p": ["a"], "q": ["b"]}
    await asked.follow(policy("p") + policy("q") + ALL)
    await asked.follow(policy("p") + provider("q", URL) + ALL, 150)
    assert [label for _, label in asked.asked] == ["p", "q", "p"]
    await asked.follow(provider("mock") + route("m", "mock"), 300)
    assert len(asked.asked) == 3
    assert asked.discovery.described() == []
    await asked.discovery.close()


async def test_an_answer_that_never_comes_is_given_up() -> None:
    asked = Asked()
    discovery = asked.discovery
    discovery.follow(asked.table(policy() + ALL))
    await asked.time.move(FIRST_SECONDS)
    assert asked.asked == [(0.25, "p")]
    await discovery.close()
    assert TOTAL_SECONDS > 0
    assert discovery.described()[0]["models"] is None


async def test_a_defect_is_logged_and_the_next_question_comes() -> None:
    asked = Asked()
    asked.answers["p"] = ZeroDivisionError("boom")
    await asked.follow(policy() + ALL, 6)
    assert asked.log("defect") == 2
    assert asked.discovery.described()[0]["problem"] is not None
    asked.answers["p"] = ["a"]
    await asked.time.move(30)
    assert asked.discovery.described()[0]["problem"] is None
    await asked.discovery.close()


async def test_what_is_not_offered_is_said_once_and_again_after_it_was() -> None:
    asked = Asked()
    asked.answers["p"] = ["a"]
    text = policy() + route("r", "p/b", models=("r",))
    await asked.follow(text, 350)
    assert asked.log("model not offered") == 1
    await asked.follow(text + route("s", "p/b", models=("s",)), 0)
    assert asked.log("model not offered") == 1
    assert asked.discovery.missing() == [{"provider": "default/p", "model": "b", "routes": ["default/r", "default/s"]}]
    asked.answers["p"] = ["a", "b"]
    await asked.time.move(101)
    assert asked.discovery.missing() == []
    asked.answers["p"] = ["a"]
    await asked.time.move(101)
    assert asked.log("model not offered") == 2
    await asked.discovery.close()


async def test_an_empty_list_accuses_nobody() -> None:
    asked = Asked()
    asked.answers["p"] = []
    await asked.follow(policy() + route("r", "p/b", models=("r",)))
    assert asked.discovery.missing() == []
    await asked.discovery.close()


async def test_what_is_known_of_a_model_follows_the_list() -> None:
    asked = Asked()
    asked.answers["p"] = ["a"]
    table = await asked.follow(policy() + ALL)
    [made] = table.providers
    assert made.described("a") is not None
    assert made.described("b") is None
    asked.answers["p"] = ["b"]
    await asked.time.move(101)
    assert made.described("a") is None
    assert made.described("b") is not None
    await asked.discovery.close()
