"""The walk of somebody with a laptop: no cluster, no keys, no root."""

import asyncio
import json
import shutil
import signal
import socket
import statistics
import time
from pathlib import Path

import aiohttp
import pytest

from sluice_gateway.process import allow_many_connections
from tests.support.command import SLUICE, running, sluice_up
from tests.support.gateway import CHAT, HELLO, provider, route
from tests.support.upstream import LAST_CHUNK, Peer, Request, chunk, says_then_stalls, serve, stream_head

ROOT = Path(__file__).parents[2]
STREAM = HELLO | {"stream": True}


async def ask(url: str, body: object = HELLO) -> tuple[int, dict[str, object], aiohttp.ClientResponse]:
    async with aiohttp.ClientSession() as session, session.post(url + CHAT, json=body) as response:
        return response.status, await response.json(), response


@pytest.mark.timeout(300)
async def test_a_fresh_clone_answers_its_printed_curl(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    async with running("git", "clone", "-q", "--depth", "1", f"file://{ROOT}", clone) as cloning:
        assert await cloning.ended() == 0, cloning.err
    async with running("make", "up", "LISTEN=127.0.0.1:0", cwd=clone, env={"XDG_STATE_HOME": str(tmp_path)}) as command:
        await command.serves(within=240)
        await command.says("curl ")
        await command.says("}'\n")
        curl = command.out[command.out.index("curl ") :].split("\n\n")[0]
        async with running("bash", "-c", curl.replace("curl ", "curl -s -f ", 1)) as asking:
            assert await asking.ended() == 0
            await asyncio.sleep(0)
    answer = json.loads(asking.out)
    assert answer["object"] == "chat.completion"
    assert answer["choices"][0]["message"]["content"]
    assert answer["usage"]["completion_tokens"] > 0


async def test_an_edit_is_served_and_a_broken_one_is_explained(tmp_path: Path) -> None:
    folder = shutil.copytree(ROOT / "manifests" / "samples", tmp_path / "samples")
    async with sluice_up(folder, state=tmp_path) as command:
        url = await command.serves()
        _, before, _ = await ask(url)
        chat = folder / "chat.yaml"
        good = chat.read_text()
        chat.write_text(good + "---\n" + route("more", "mock/renamed", models=("more",)))
        await command.says("loaded ")
        status, after, _ = await ask(url, HELLO | {"model": "more"})
        assert (status, after["model"]) == (200, "renamed")
        chat.write_text(good.replace("targets:", "tragets:"))
        await command.says("refused: ")
        line = next(line for line in command.out.splitlines() if "tragets" in line)
        assert "chat.yaml:" in line
        assert "did you mean targets?" in line
        assert (await ask(url, HELLO | {"model": "more"}))[0] == 200
        async with aiohttp.ClientSession() as session, session.get(url + "/internal/config") as response:
            refused = (await response.json())["refused"]
        assert [(Path(str(one["file"])).name, one["field"]) for one in refused["findings"]] == [
            ("chat.yaml", "spec.tragets")
        ]
        chat.write_text(good)
        await command.until(lambda: command.out.count("loaded ") == 2)
        assert (await ask(url))[1] == before
        assert (await ask(url, HELLO | {"model": "more"}))[0] == 404


async def test_a_kill_loses_nothing(tmp_path: Path) -> None:
    """Killed while the files are broken, and started again: the last good state is served, and the fault is said."""
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "all.yaml").write_text(provider("mock") + route("chat", "mock/good"))
    async with sluice_up(folder, state=tmp_path) as command:
        url = await command.serves()
        assert (await ask(url))[1]["model"] == "good"
        (folder / "all.yaml").write_text("kind: ModelRoute\n  broken: [")
        await command.says("refused: ")
        command.send(signal.SIGKILL)
        assert await command.ended() == -signal.SIGKILL
    async with sluice_up(folder, state=tmp_path) as command:
        url = await command.serves()
        assert (await ask(url))[1]["model"] == "good"
        await command.says("refused: ")
        (folder / "all.yaml").write_text(provider("mock") + route("chat", "mock/better"))
        await command.says("loaded ")
        assert (await ask(url))[1]["model"] == "better"


async def test_sigterm_lets_streams_finish_and_exits_with_0(tmp_path: Path) -> None:
    stopping = asyncio.Event()

    async def script(peer: Peer, request: Request) -> None:
        await peer.send(stream_head(), chunk(b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'))
        await stopping.wait()
        await peer.send(
            chunk(b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'),
            chunk(b"data: [DONE]\n\n"),
            LAST_CHUNK,
        )

    async with serve(script) as upstream:
        (tmp_path / "all.yaml").write_text(provider("up", upstream.url) + route("chat", "up/gpt"))
        async with sluice_up(tmp_path / "all.yaml", state=tmp_path) as command, aiohttp.ClientSession() as session:
            url = await command.serves()
            async with session.get(url + "/ready") as ready:
                assert ready.status == 200
            async with session.post(url + CHAT, json=STREAM) as response:
                await response.content.readuntil(b"\n\n")
                command.send(signal.SIGTERM)
                await command.until(lambda: "draining" in command.err)
                with pytest.raises(aiohttp.ClientConnectorError):
                    async with aiohttp.ClientSession() as late:
                        await late.get(url + "/ready")
                stopping.set()
                assert (await response.read()).endswith(b"data: [DONE]\n\n")
            assert await command.ended() == 0


async def test_a_second_interrupt_does_not_wait_for_streams(tmp_path: Path) -> None:
    frame = chunk(b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n')
    async with serve(says_then_stalls(stream_head() + frame)) as upstream:
        (tmp_path / "all.yaml").write_text(provider("up", upstream.url) + route("chat", "up/gpt"))
        async with sluice_up(tmp_path / "all.yaml", state=tmp_path) as command, aiohttp.ClientSession() as session:
            url = await command.serves()
            async with session.post(url + CHAT, json=STREAM) as response:
                await response.content.readuntil(b"\n\n")
                command.send(signal.SIGINT)
                await command.until(lambda: "draining" in command.err)
                command.send(signal.SIGINT)
                assert await command.ended() == 0
    assert "grace period over" in command.err
    assert "Traceback" not in command.err


async def test_nobody_needs_to_read_what_it_prints(tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(provider("mock") + route("chat", "mock/one"))
    script = f"{SLUICE} up -f {tmp_path}/all.yaml --listen 127.0.0.1:0 | head -n 1"
    async with running("bash", "-c", script, env={"XDG_STATE_HOME": str(tmp_path)}) as command:
        url = await command.serves()
        (tmp_path / "all.yaml").write_text(provider("mock") + route("chat", "mock/two"))
        await command.until(lambda: command.err.count('"configuration loaded"') == 2)
        (tmp_path / "all.yaml").write_text(provider("mock") + route("chat", "mock/three"))
        await command.until(lambda: command.err.count('"configuration loaded"') == 3)
        assert (await ask(url))[1]["model"] == "three"


async def test_a_taken_address_is_said_plainly(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (tmp_path / "all.yaml").write_text(provider("mock") + route("chat", "mock"))

        async with running(
            SLUICE, "up", "-f", tmp_path, "--listen", f"127.0.0.1:{port}", env={"XDG_STATE_HOME": str(tmp_path)}
        ) as command:
            assert await command.ended() == 1
    assert f"cannot listen on 127.0.0.1:{port}" in command.err
    assert "Traceback" not in command.err


@pytest.mark.timeout(180)
async def test_ten_thousand_idle_connections_disturb_nobody(tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(provider("mock") + route("chat", "mock"))
    allow_many_connections()
    async with sluice_up(tmp_path / "all.yaml", state=tmp_path) as command:
        url = await command.serves()
        host, port = url.removeprefix("http://").split(":")
        idle: list[socket.socket] = []
        try:
            idle.extend(socket.create_connection((host, int(port))) for _ in range(10_000))
            took = []
            for _ in range(20):
                began = time.monotonic()
                assert (await ask(url))[0] == 200
                took.append(time.monotonic() - began)
            assert statistics.median(took) < 1  # a busy machine may be late at times
        finally:
            for connection in idle:
                connection.close()
        assert (await ask(url))[0] == 200
