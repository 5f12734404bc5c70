"""Providers that answer anything at all: the caller gets an answer or an error in its own shape, and streams end."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluice_gateway.calls import Shape
from sluice_gateway.server.app import ENDPOINTS
from sluice_gateway.sse import data_of
from tests.gateway.test_fuzz_answers import ASKING, ERRORS, STREAMS, WHOLE, WIRES
from tests.support.gateway import RunningGateway, gateway, loaded, provider, route
from tests.support.hostile import encoded, spoiled
from tests.support.upstream import Peer, Request, answer, event_stream, serve

EXAMPLES = 40  # for each vendor
SECRET = {"secretRef": {"name": "one", "key": "api-key"}}
VENDORS = {"openai": "openai-compatible", "anthropic": "anthropic", "google": "google", "cohere": "cohere"}
PATHS = {shape: path for path, shape in ENDPOINTS.items() if shape in ASKING}


class Said:
    """What the provider sends next, and whether it then cuts the connection."""

    data = b""
    cut = False


@st.composite
def sayings(draw: st.DrawFn, wire: str) -> tuple[Shape, bool, bytes, bool]:
    """Who asks, whether for a stream, what comes, and whether it is all."""
    shape, streams = draw(st.sampled_from(sorted(PATHS))), draw(st.booleans())
    kind = draw(st.sampled_from(["whole", "stream", "error", "noise"]))
    if kind == "stream":
        events = draw(spoiled(STREAMS[wire]))
        frames = [b"data: " + encoded(event) + b"\n\n" for event in (events if isinstance(events, list) else [events])]
        data = event_stream(frames)
    elif kind == "noise":
        data = answer(
            200,
            draw(st.binary(max_size=60)),
            [("content-type", draw(st.sampled_from(["text/html", "", "application/json"])))],
        )
    else:
        status = 200 if kind == "whole" else draw(st.sampled_from([300, 400, 401, 404, 429, 500, 503, 529]))
        body = encoded(draw(spoiled(WHOLE[wire] if kind == "whole" else ERRORS[wire])))
        data = answer(status, body, [("content-type", "application/json")])
    cut = draw(st.booleans())
    return shape, streams, data[: draw(st.integers(1, len(data)))] if cut else data, cut


def examples(wire: str) -> list[tuple[Shape, bool, bytes, bool]]:
    found: list[tuple[Shape, bool, bytes, bool]] = []

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(sayings(wire))
    def collect(one: tuple[Shape, bool, bytes, bool]) -> None:
        found.append(one)

    collect()
    return found


async def ask(sluice: RunningGateway, shape: Shape, *, streams: bool) -> tuple[int, str, bytes]:
    body: dict[str, Any] = {"model": "chat", "stream": streams, **ASKING[shape]}
    async with sluice.session.post(sluice.url + PATHS[shape], json=body) as response:
        return response.status, response.headers["content-type"], await response.read()


def check(shape: Shape, status: int, kind: str, body: bytes) -> None:
    assert status != 500, body
    if not kind.startswith("text/event-stream"):
        document = json.loads(body)
        assert status == 200 or document["error"]["message"]
        assert shape is not Shape.MESSAGES or document["type"] in ("message", "error") or status == 200
        return
    assert status == 200
    assert body.endswith(b"\n\n")
    data = list(data_of(body))
    assert not any(b"error" in one[:20] for one in data[:-1]) or shape is Shape.RESPONSES
    assert all(isinstance(json.loads(one), dict) for one in data if one != b"[DONE]")


@pytest.mark.parametrize("wire", WIRES)
async def test_whatever_a_provider_says_the_caller_gets_an_answer_or_an_error(wire: str) -> None:
    said = Said()

    async def script(peer: Peer, request: Request) -> None:
        await peer.send(said.data)
        if said.cut:
            peer.cut()

    found = await asyncio.to_thread(examples, wire)
    async with serve(script) as upstream:
        url = upstream.url + ("/v1" if wire == "openai" else "")
        policy = provider("up", provider=VENDORS[wire], baseURL=url, credentials=SECRET)
        async with gateway(loaded(policy + route("chat", "up/m"), keys={"one": "key"})) as sluice:
            for shape, streams, said.data, said.cut in found:
                async with asyncio.timeout(10):
                    check(shape, *await ask(sluice, shape, streams=streams))
