"""Several gateways with one state Redis, as processes of their own: the pods of a Deployment, without a cluster."""

import asyncio
import contextlib
import json
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import redis

from bench.measured import Measured, free_port
from tests.support.command import SLUICE
from tests.support.redis_server import RedisServer, available_programs

TRIALS = 3
_LOOKS = 750  # of 20 ms


class Replicas:
    """Running gateways. ``listener`` is where their provider is expected; ``urls`` are those of who lives."""

    def __init__(self, folder: Path, listener: socket.socket) -> None:
        self.listener = listener
        self.urls: list[str] = []
        self._folder = folder
        self._pids: list[int] = []
        self._logs: list[Path] = []
        self._redis: redis.Redis

    def start(self, stack: contextlib.ExitStack, count: int, text: str) -> None:
        server = RedisServer(available_programs(os.environ), self._folder)
        stack.callback(server.kill)
        self._redis = stack.enter_context(server.client())
        configuration = self._folder / "configuration.yaml"
        configuration.write_text(text)
        own = {name: value for name, value in os.environ.items() if not name.upper().endswith(("_API_KEY", "_PROXY"))}
        processes = []
        for number in range(count):
            port = free_port()
            command = [str(SLUICE), "up", "-f", str(configuration), "--listen", f"127.0.0.1:{port}"]
            environ = {
                **own,
                "XDG_STATE_HOME": str(self._folder / f"state-{number}"),
                "SLUICE_STATE_URL": f"redis://127.0.0.1:{server.port}",
            }
            log = self._folder / f"{number}.log"
            process = Measured(command, port=port, output=log, core=None, environ=environ)
            self._logs.append(log)
            processes.append(stack.enter_context(process))
            self._pids.append(process.pid)
            self.urls.append(f"http://127.0.0.1:{port}")
        for process in processes:
            process.wait_until_ready()

    def kill(self) -> None:
        """End the last one with no chance to say anything."""
        self.urls.pop()
        os.kill(self._pids.pop(), signal.SIGKILL)

    def lines(self, model: str) -> list[dict[str, Any]]:
        """What all have logged of requests for a model, but those that they were too busy for."""
        return [line for line in self._lines("request") if line["model"] == model and line["status"] != 503]

    def losses(self) -> int:
        """How often one of them has taken Redis for away: on a machine that is too busy it doesn't answer in time."""
        return len(self._lines("state redis is away"))

    def _lines(self, event: str) -> list[dict[str, Any]]:
        texts = [line for log in self._logs for line in log.read_text().splitlines() if f'"{event}"' in line]
        return [line for line in map(json.loads, texts) if line["event"] == event]

    def used(self, route: str, limit: str) -> int:
        """What stands against a limit in Redis: the third word of a window, or how many leases there are."""
        total = 0
        for key in self._redis.scan_iter(f"*ModelRoute/default/{route}}}*/{limit}/*"):
            if self._redis.type(key) == b"zset":
                total += self._redis.zcard(key)
            elif window := self._redis.get(key):
                total += int(window.split()[2])
        return total


@contextlib.contextmanager
def replicas(folder: Path, count: int, text: Callable[[int], str]) -> Iterator[Replicas]:
    """Run so many, with the configuration for a provider's port."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        found = Replicas(folder, listener)
        found.start(stack, count, text(listener.getsockname()[1]))
        yield found


async def trial(site: Replicas, name: str, once: Callable[[str], Awaitable[None]]) -> None:
    """Do something once, or again, with routes that are still new, where a gateway lost Redis on the way. What must
    hold even then is no plain assertion.
    """
    for number in range(TRIALS):
        before = site.losses()
        try:
            await once(f"{name}-{number}")
        except AssertionError:
            if number == TRIALS - 1 or site.losses() == before:
                raise
        else:
            return


async def becomes(wanted: Callable[[], bool]) -> bool:
    """Whether something comes true soon: settlements go out after the answers that they are of."""
    for _ in range(_LOOKS):
        if wanted():
            return True
        await asyncio.sleep(0.02)
    return wanted()
