"""Wire shapes that packages of users bring: the example of the docs at work, and packages that can't be used."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.command import sluice_up
from tests.support.gateway import gateway, loaded, provider, route
from tests.support.plugins import EXAMPLE, install, install_example
from tests.support.upstream import (
    LAST_CHUNK,
    Peer,
    Request,
    ScriptedUpstream,
    chunk,
    event_stream,
    json_answer,
    says,
    serve,
    stream_head,
)

DOCS = Path(__file__).resolve().parents[3] / "docs" / "wire-shapes.md"
SAID = {"text": "Hello yourself.", "why": "out of breath", "tokens": {"heard": 3, "said": 2}}
EVENTS: tuple[dict[str, Any], ...] = (
    {"more": "Hello "},
    {"heartbeat": 1},
    {"more": "yourself."},
    {"why": "said it all", "tokens": {"heard": 3, "said": 2}},
)
ASKED = {
    "model": "parrot-1",
    "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}],
}
WIRE = """
from {module} import Wire
from sluice_gateway.providers.openai.wire import OPENAI
WIRE = Wire(name="own", adapter=OPENAI.adapter, chat={path!r})
"""
ADAPTER = "sluice_gateway.providers.adapter"
FORGETFUL = """
from sluice_gateway.normal.answers import TextDelta
from sluice_gateway.providers.adapter import Wire

class Forgetful:
    def build_request(self, request, facts):
        return b"{}"
    def parse_event(self, data, memory):
        return (TextDelta(data.decode()),) if data == b"1" else {}["of this shape"]

WIRE = Wire(name="own", adapter=Forgetful(), chat="/say")
"""


def frames(events: tuple[dict[str, Any], ...]) -> bytes:
    return event_stream(f"data: {json.dumps(event)}\n\n".encode() for event in events)


def stage(folder: Path, upstream: ScriptedUpstream) -> dict[str, str]:
    """The example, installed, with its policy for a server of the test; the environment that finds it."""
    install_example(folder)
    policy = (EXAMPLE / "policy.yaml").read_text()
    (folder / "all.yaml").write_text(policy.replace("http://127.0.0.1:9000", upstream.url))
    return {"PYTHONPATH": str(folder)}


async def asked(url: str, path: str, body: dict[str, Any]) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.post(url + path, json=body) as response:
        return response.status, await response.text()


async def test_the_example_serves_callers_of_any_shape(tmp_path: Path) -> None:
    problem = json_answer({"problem": "this voice is hoarse"}, 400)
    async with serve(says(json_answer(SAID), frames(EVENTS), json_answer(SAID), problem)) as upstream:
        env = stage(tmp_path, upstream)
        async with sluice_up(tmp_path / "all.yaml", state=tmp_path / "state", env=env) as command:
            url = await command.serves()
            status, whole = await asked(url, "/v1/chat/completions", ASKED | {"max_tokens": 5, "mood": "calm"})
            _, stream = await asked(url, "/v1/chat/completions", ASKED | {"stream": True})
            _, message = await asked(url, "/v1/messages", ASKED | {"max_tokens": 9, "messages": ASKED["messages"][1:]})
            refused_status, refused = await asked(url, "/v1/chat/completions", ASKED | {"temperature": 1})
            hoarse_status, hoarse = await asked(url, "/v1/chat/completions", ASKED)
        first = upstream.requests[0]
    assert (status, first.target) == (200, "/say")
    turns = [{"by": "system", "text": "Be kind."}, {"by": "user", "text": "Hi"}]
    assert first.json() == {"voice": "parrot-1", "turns": turns, "stream": False, "mood": "calm", "limit": 5}
    answer = json.loads(whole)
    assert answer["choices"][0]["message"]["content"] == "Hello yourself."
    assert (answer["choices"][0]["finish_reason"], answer["usage"]["total_tokens"]) == ("length", 5)
    assert stream.endswith("data: [DONE]\n\n")
    assert "".join(re.findall(r'"content":"([^"]*)"', stream)) == "Hello yourself."
    assert json.loads(message)["stop_reason"] == "max_tokens"
    assert (refused_status, json.loads(refused)["error"]["param"]) == (400, "temperature")
    assert (hoarse_status, json.loads(hoarse)["error"]["message"]) == (400, "this voice is hoarse")
    assert len(upstream.requests) == 4


def own(shape: str) -> str:
    """A provider of a wire shape, and the mock behind it."""
    policy = provider("own", "http://127.0.0.1:9", compatibility={"wireShape": shape})
    return policy + provider("mock") + route("chat", "own/m", "mock/m")


@pytest.mark.parametrize(
    ("shape", "source", "reason"),
    [
        (
            "of-nobody",
            None,
            "no installed package brings a wire shape 'of-nobody' (entry points of the group sluice.wires)",
        ),
        ("of-a-typo", "x = 1", "can't be imported: AttributeError: module 'of_a_typo' has no attribute 'WIRE'"),
        ("that-raises", "import of_tomorrow", "can't be imported: ModuleNotFoundError: No module named 'of_tomorrow'"),
        ("that-breaks", "1 / 0", "can't be imported: ZeroDivisionError: division by zero"),
        ("of-broken-text", "def (", "can't be imported: SyntaxError: invalid syntax"),
        ("of-another-kind", "WIRE = 'openai'", "is no Wire, but of type str"),
        ("without-a-place", WIRE.format(module=ADAPTER, path="/{room}/say"), "path that is no template: '/{room}/say'"),
        ("of-a-bad-path", WIRE.format(module=ADAPTER, path="/{"), "path that is no template: '/{'"),
    ],
)
async def test_a_shape_that_can_not_be_used_leaves_its_provider_out_and_says_why(
    shape: str, source: str | None, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    if source is not None:
        module = shape.replace("-", "_")
        install(tmp_path, module, f"{shape} = {module}:WIRE", source)
    async with gateway(loaded(own(shape))) as sluice:
        response, _ = await sluice.post()
        _, shown = await sluice.get("/internal/config")
        await sluice.log_file.has("provider left out")
    assert (response.status, response.headers["x-sluice-target"]) == (200, "mock/m")
    [finding] = shown["refused"]["findings"]
    assert reason in finding["message"]
    assert "default/own" in shown["refused"]["reason"]


async def test_a_defect_within_a_stream_ends_it_with_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    install(tmp_path, "forgetful", "forgetful = forgetful:WIRE", FORGETFUL)
    heard = asyncio.Event()

    async def script(peer: Peer, request: Request) -> None:
        await peer.send(stream_head() + chunk(b"data: 1\n\n"))
        await heard.wait()
        await peer.send(chunk(b"data: 2\n\n") + LAST_CHUNK)

    async with serve(script) as upstream:
        policy = provider("own", upstream.url, compatibility={"wireShape": "forgetful"})
        async with gateway(policy + route("chat", "own/m")) as sluice:
            body = ASKED | {"model": "chat", "stream": True}
            async with sluice.session.post(sluice.url + "/v1/chat/completions", json=body) as response:
                text = await response.content.readany()
                heard.set()
                text += await response.content.read()
            await sluice.log_file.has("of this shape")
    assert response.status == 200
    assert text.count(b'"content":"1"') == text.count(b'"error":{') == 1
    assert b"[DONE]" not in text


async def test_a_provider_that_is_switched_off_needs_no_package() -> None:
    off = provider("own", "http://127.0.0.1:9", compatibility={"wireShape": "of-nobody-at-all"}, enabled=False)
    async with gateway(loaded(off + provider("mock") + route("chat", "mock/m"))) as sluice:
        _, shown = await sluice.get("/internal/config")
    assert shown["refused"] is None


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCS.read_text(), re.DOTALL)


@pytest.mark.parametrize(
    ("language", "file"), [("python", "say_wire.py"), ("toml", "pyproject.toml"), ("yaml", "policy.yaml")]
)
def test_the_docs_show_what_runs_here(language: str, file: str) -> None:
    text = (EXAMPLE / file).read_text()
    shown = blocks(language)
    assert shown
    assert [block for block in shown if block not in text] == []
