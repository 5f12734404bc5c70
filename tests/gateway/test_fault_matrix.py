"""What callers see of each fault of a provider, and what is counted: the table of docs/faults.md."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest

from bench.figures import table
from sluice_gateway import sse
from tests.support.faults import GOOD, Fault, Providers, providers
from tests.support.gateway import CHAT, HELLO, RunningGateway, gateway, loaded, provider, route
from tests.support.golden import Golden

DOCS = Path(__file__).resolve().parents[2] / "docs"
RETRY = {"maxRetries": 1, "baseDelayMilliseconds": 1, "maxDelayMilliseconds": 1, "budgetPercent": 100}
SITUATIONS = {"one target": "b", "a good one left": "bg", "none left": "bb"}
"""What a route's targets are: b for one that has the fault, g for a good one."""
HEADINGS = {
    "one target": "The only target fails",
    "a good one left": "The first of two targets fails",
    "none left": "Both targets fail",
}
BY_FAULT, BY_STRATEGY = "by fault", "by strategy"  # places on the page
COLUMNS = ("fault", "request", "caller sees", "calls", "breaker", "tokens")
MOST = 1_000_000
LIMITS = [
    {"name": "tokens", "per": "route", "tokens": MOST, "window": "month"},
    {"name": "places", "per": "route", "concurrent": 1},
]

STRATEGIES = ("priority", "round-robin", "weighted", "cost", "latency", "balanced")
OF_EACH = 8
SHOWN = ("connection refused", "reset before the head", "500", "429", "200 with an error")


class Row(NamedTuple):
    """One request: to a route of its own, with providers of its own."""

    name: str
    fault: Fault
    stream: bool
    situation: str

    @property
    def targets(self) -> list[str]:
        return [f"{self.name}-{place}" for place in range(len(SITUATIONS[self.situation]))]

    def documents(self, found: Providers) -> str:
        policies = ""
        for target, kind in zip(self.targets, SITUATIONS[self.situation], strict=True):
            name, policy = (self.fault.name, self.fault.policy) if kind == "b" else (GOOD, {})
            policies += provider(target, found.url(name), retry=RETRY, **policy)
        return policies + self.route(*(f"{target}/m" for target in self.targets))

    def route(self, *targets: str) -> str:
        return route(self.name, *targets, models=(self.name,), limits=LIMITS)


@dataclass
class Told:
    """What reached the caller."""

    status: int
    code: str
    attempts: str
    retry_after: str
    target: str
    frames: int = 0
    broken: str = ""

    def described(self, *, stream: bool) -> str:
        if self.code:
            wait = f", retry-after {self.retry_after}" if self.retry_after else ""
            return f"{self.status} `{self.code}`{wait}"
        if not stream:
            return f"{self.status}, whole"
        ending = f", then the error event `{self.broken}`" if self.broken else ""
        frames = "whole" if not self.broken else f"{self.frames} frame{'s' * (self.frames != 1)}"
        return f"{self.status}, {frames}{ending}"


def rows(found: Providers) -> Iterator[Row]:
    for number, fault in enumerate(found.faults):
        for stream in (False, True):
            if fault.script(stream=stream) is None:
                continue
            for place, situation in enumerate(SITUATIONS):
                yield Row(f"r{number:02}-{'s' if stream else 'p'}{place}", fault, stream, situation)


async def ask(session: aiohttp.ClientSession, url: str, row: Row, found: Providers) -> Told:
    body = HELLO | {"model": row.name, "stream": row.stream}
    async with session.post(url + CHAT, json=body, headers={"x-request-id": row.name}) as response:
        headers = response.headers
        told = Told(
            response.status,
            "",
            headers.get("x-sluice-attempts", ""),
            headers.get("retry-after", ""),
            headers.get("x-sluice-target", ""),
        )
        if response.content_type == "text/event-stream":
            await listen(response, row, found, told)
        else:
            told.code = json.loads(await response.read()).get("error", {}).get("code", "")
    return told


async def listen(response: aiohttp.ClientResponse, row: Row, found: Providers, told: Told) -> None:
    """Read a stream: frames, then either [DONE] or one error event, then nothing."""
    last = b""
    async for line in response.content:
        for data in sse.data_of(line):
            assert last != b"[DONE]"
            assert not told.broken
            last = data
            error = json.loads(data).get("error") if data != b"[DONE]" else None
            if error:
                told.broken = error["code"]
            else:
                told.frames += 1
                found.ears.hear(row.name)
    assert told.broken or last == b"[DONE]", f"{row.name}: neither whole nor told what broke"


def calls(metrics: str) -> dict[str, Counter[str]]:
    """How often each provider was called, by result."""
    counted: dict[str, Counter[str]] = {}
    pattern = r'^sluice_attempts_total\{result="(.*)",target="(.*)/m"\} (\S+)'
    for result, target, count in re.findall(pattern, metrics, re.MULTILINE):
        counted.setdefault(target, Counter())[result] += round(float(count))
    return counted


async def failures(sluice: RunningGateway) -> dict[str, int]:
    """How many failures the breaker of each provider has counted."""
    _, said = await sluice.get_internal("/admin/breakers")
    assert said["more"] == 0
    return {one["provider"].removeprefix("default/"): one["failures"] for one in said["breakers"]}


async def settled(sluice: RunningGateway, todo: Sequence[Row]) -> dict[str, int]:
    """How many tokens stand against each route's limit, as another request is told: to the same route, which has a
    target by now that serves, and of which nothing was learnt. That it may come in says that the one before has left
    its place.
    """
    control = Row("none-0", todo[0].fault, False, "one target")
    names = [(row, f"{row.name}-again") for row in (control, *todo)]
    await sluice.send(loaded("".join(provider(name) + row.route(name) for row, name in names)))
    left = {}
    for row in (control, *todo):
        response, _ = await sluice.post(HELLO | {"model": row.name, "max_tokens": 1})
        assert response.status == 200, row.name
        left[row.name] = int(response.headers["x-ratelimit-remaining-tokens"])
    return {row.name: left[control.name] - left[row.name] for row in todo}


def by_place(row: Row, said: dict[str, str]) -> str:
    """``first: failed 2; second: served``."""
    names = dict(zip(row.targets, ("first", "second"), strict=False))
    return "; ".join(f"{place}: {said[name]}" for name, place in names.items() if said.get(name))


def counts(results: Counter[str]) -> str:
    return ", ".join(f"{result} {count}" if count > 1 else result for result, count in sorted(results.items()))


def tokens(line: dict[str, Any]) -> str:
    if line["prompt_tokens"] is None:
        return "none"
    return f"{line['prompt_tokens']}+{line['completion_tokens']}{' estimated' if line['estimated'] else ''}"


def tables(todo: Sequence[Row], cells: Sequence[Sequence[str]]) -> str:
    """A table for each situation; a fault that does the same to both kinds of requests has one line."""
    text = ""
    for situation in SITUATIONS:
        found: dict[tuple[str, ...], list[str]] = {}
        for row, rest in zip(todo, cells, strict=True):
            if row.situation == situation:
                found.setdefault((row.fault.name, *rest), []).append("stream" if row.stream else "plain")
        lines = [(name, " and ".join(kinds), *rest) for (name, *rest), kinds in found.items()]
        text += f"### {HEADINGS[situation]}\n\n{table(COLUMNS, lines)}\n\n"
    return text


def page(text: str, place: str) -> str:
    """The page with these tables at their place."""
    before, begin, rest = (DOCS / "faults.md").read_text().partition(f"<!-- {place}: written by the test -->\n")
    end = f"<!-- end of {place} -->"
    assert begin
    return f"{before}{begin}\n{text}{end}{rest.partition(end)[2]}"


@pytest.fixture
def docs(request: pytest.FixtureRequest) -> Golden:
    """Compares a page of the documentation."""
    return Golden(DOCS, rewrite=request.config.getoption("--rewrite-golden"))


@pytest.mark.slow
async def test_what_callers_see_of_each_fault_and_what_is_counted(docs: Golden) -> None:
    docs.check("faults.md", await measure())


async def measure() -> str:
    """The page, with its tables as they come out now."""
    async with providers() as found:
        todo = list(rows(found))
        text = "".join(row.documents(found) for row in todo)
        async with gateway(text) as sluice, aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            told = dict[str, Told]()
            for hurried in (False, True):  # apart: many at once would let time-outs lapse that are not meant to
                some = [row for row in todo if bool(row.fault.policy) == hurried]
                said = await asyncio.gather(*(ask(session, sluice.url, row, found) for row in some))
                told |= {row.name: one for row, one in zip(some, said, strict=True)}
            lines = {line["request_id"]: line for line in await sluice.logged(len(todo))}
            called = calls(await (await sluice.session.get(f"{sluice.internal_url}/metrics")).text())
            failed = {name: f"{count} bad" for name, count in (await failures(sluice)).items() if count}
            counted = await settled(sluice, todo)
    cells = []
    for row in todo:
        line, one = lines[row.name], told[row.name]
        assert counted[row.name] == (line["prompt_tokens"] or 0) + (line["completion_tokens"] or 0), row.name
        assert one.attempts == str(line["attempts"])
        results = {name: counts(results) for name, results in called.items()}
        cells.append((one.described(stream=row.stream), by_place(row, results), by_place(row, failed), tokens(line)))
    return page(tables(todo, cells), BY_FAULT)


async def test_a_strategy_changes_who_is_asked_first_and_not_what_callers_see(docs: Golden) -> None:
    """The faulty one is the cheapest, so that it is asked first where price counts."""
    lines = []
    async with providers() as found:
        faults = [fault for fault in found.faults if fault.name in SHOWN]
        pairs = [(fault, stream) for fault in faults for stream in (False, True)]
        for strategy in STRATEGIES:
            text = "".join(_pair(place, fault, found, strategy) for place, (fault, _) in enumerate(pairs))
            async with gateway(text) as sluice:
                await asyncio.gather(*(_ask_often(sluice, place, stream) for place, (_, stream) in enumerate(pairs)))
                logged = await sluice.logged(len(pairs) * OF_EACH)
            assert {(line["status"], line["code"], line["target"][-6:]) for line in logged} == {(200, None, "good/m")}
            fallen = sum(line["attempts"] > 1 for line in logged)
            lines.append(
                (
                    strategy,
                    f"{len(logged)} of {len(logged)}",
                    _share(fallen, len(logged), turns=strategy == "round-robin"),
                )
            )
    docs.check(
        "faults.md", page(table(("strategy", "whole", "the faulty one was asked first"), lines) + "\n\n", BY_STRATEGY)
    )


def _pair(place: int, fault: Fault, found: Providers, strategy: str) -> str:
    calm = {"failureThreshold": 10_000}
    text = ""
    for name, url, price in (("bad", found.url(fault.name), "1"), ("good", found.url(GOOD), "2")):
        model = {"name": "m", "pricing": {"inputPerMillion": price, "outputPerMillion": price}}
        text += provider(f"{place}-{name}", url, circuitBreaker=calm, retry={"maxRetries": 0}, models=[model])
    return text + route(f"{place}", f"{place}-bad/m", f"{place}-good/m", models=(f"{place}",), strategy=strategy)


async def _ask_often(sluice: RunningGateway, place: int, stream: bool) -> None:
    for _ in range(OF_EACH):
        async with sluice.session.post(
            sluice.url + CHAT, json=HELLO | {"model": f"{place}", "stream": stream}
        ) as response:
            assert (b"[DONE]" if stream else b'"a b"') in await response.read()


def _share(count: int, total: int, *, turns: bool) -> str:
    """In words: all but turns are left to chance or to what was seen."""
    if turns and 2 * count == total:
        return "half of the time"
    return {0: "never", total: "always"}.get(count, "sometimes")
