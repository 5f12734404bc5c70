"""The ``sluice`` command as a process of its own, as a user starts it."""

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

SLUICE = Path(sys.executable).with_name("sluice")
PATIENCE = 30.0


@dataclass
class Command:
    """A running command. ``out`` and ``err`` are all that it has printed so far."""

    process: asyncio.subprocess.Process
    out: str = ""
    err: str = ""
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def pid(self) -> int:
        return self.process.pid

    async def until(self, condition: Callable[[], bool], within: float = PATIENCE) -> None:
        """Wait until ``condition`` holds, looked at whenever something was printed. Fails with what was printed."""
        try:
            async with asyncio.timeout(within):
                while not condition():
                    assert self.process.returncode is None, (
                        f"ended with {self.process.returncode}\n{self.out}\n{self.err}"
                    )
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"not within {within} s\n{self.out}\n{self.err}") from None

    async def says(self, text: str, within: float = PATIENCE) -> None:
        """Wait until standard output has ``text``."""
        await self.until(lambda: text in self.out, within)

    async def serves(self, within: float = PATIENCE) -> str:
        """Wait for the greeting; the URL that it names."""
        pattern = re.compile(r"Sluice serves (http://\S+) from")
        await self.until(lambda: pattern.search(self.out) is not None, within)
        found = pattern.search(self.out)
        assert found is not None
        return found[1]

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self, within: float = PATIENCE) -> int:
        """Wait for the end; the exit code."""
        async with asyncio.timeout(within):
            return await self.process.wait()

    async def read(self, stream: asyncio.StreamReader, name: str) -> None:
        while piece := await stream.read(65536):
            setattr(self, name, getattr(self, name) + piece.decode())
            self._news.set()
        self._news.set()


@contextlib.asynccontextmanager
async def running(
    *arguments: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> AsyncIterator[Command]:
    """Run a program until the block ends. ``env`` is added to this process's own, without any provider's key."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.endswith(("_API_KEY", "_PROXY", "_proxy"))
    }
    process = await asyncio.create_subprocess_exec(
        *map(str, arguments),
        cwd=cwd,
        env=inherited | {"PYTHONUNBUFFERED": "1"} | dict(env or {}),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    command = Command(process)
    readers = [
        asyncio.create_task(command.read(process.stdout, "out")),
        asyncio.create_task(command.read(process.stderr, "err")),
    ]
    try:
        yield command
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                await command.ended(10)
            except TimeoutError:
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        await asyncio.gather(*readers)


@contextlib.asynccontextmanager
async def sluice_up(*paths: Path, state: Path, env: Mapping[str, str] | None = None) -> AsyncIterator[Command]:
    """``sluice up`` on a free port, its last good state kept under ``state``."""
    files = [part for path in paths for part in ("-f", path)]
    settings = {"XDG_STATE_HOME": str(state)} | dict(env or {})
    async with running(SLUICE, "up", *files, "--listen", "127.0.0.1:0", env=settings) as command:
        yield command
