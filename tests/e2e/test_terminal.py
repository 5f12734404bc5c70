"""``sluice up`` in front of a person: no JSON among the lines for people."""

import asyncio
import os
import pty
import re
from pathlib import Path

import aiohttp

from tests.support.command import SLUICE
from tests.support.gateway import CHAT, HELLO, provider, route


def read_until(terminal: int, pattern: str) -> str:
    """What a terminal shows, up to the pattern or the end."""
    seen = ""
    while not re.search(pattern, seen):
        try:
            seen += os.read(terminal, 65536).decode()
        except OSError:  # nobody writes any more
            break
    return seen


async def test_a_terminal_shows_short_lines(tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(provider("mock") + route("chat", "mock"))
    shown, terminal = pty.openpty()
    command = (SLUICE, "up", "-f", tmp_path, "--listen", "127.0.0.1:0")
    environ = os.environ | {"XDG_STATE_HOME": str(tmp_path / "state")}
    process = await asyncio.create_subprocess_exec(*map(str, command), stdout=terminal, stderr=terminal, env=environ)
    os.close(terminal)
    try:
        greeting = await asyncio.to_thread(read_until, shown, r"(?s)serves http://\S+ from .*curl .*'\r\n")
        url = re.findall(r"serves (http://\S+) from", greeting)[0]
        async with aiohttp.ClientSession() as session, session.post(url + CHAT, json=HELLO) as response:
            assert response.status == 200
        line = await asyncio.to_thread(read_until, shown, r" tokens\r\n")
        process.terminate()
        rest = await asyncio.to_thread(read_until, shown, r"stopped\r\n")
        assert await asyncio.wait_for(process.wait(), 10) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(shown)
    assert re.search(r"\d\d:\d\d:\d\d 200 chat -> mock/chat, \d+ ms, \d+\+\d+ tokens\r\n", line)
    assert not re.search(r"(?m)^\{", greeting + line + rest)
