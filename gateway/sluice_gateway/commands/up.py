"""``sluice up``: the gateway on this machine, from a folder of YAML."""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

import uvloop

from sluice_config.compile import Gateway
from sluice_config.findings import Level
from sluice_gateway.process import CannotListen, Process, allow_many_connections, settle_memory
from sluice_gateway.settings import Address, Settings
from sluice_gateway.sources.directory import DirectorySource
from sluice_gateway.sources.source import Loaded, Refused
from sluice_gateway.telemetry.log import LineWriter, log_defect, make_logger


class Terminal:
    """Tells the person in front of the terminal what is served, and what is wrong with their files.

    ``keys`` names the Secret with callers' keys.
    """

    def __init__(self, out: TextIO, *, auth: bool, keys: str = "") -> None:
        self._out = out
        self._auth = auth
        self._keys = keys
        self._url = ""
        self._greeted = False
        self._said: frozenset[str] = frozenset()

    def listening(self, address: Address) -> None:
        """Note where the gateway listens: known before the first event."""
        self._url = f"http://{address if address.host else Address('localhost', address.port)}"

    def show(self, event: Loaded | Refused) -> None:
        """Print one event of the source, but no finding again that was printed with the event before."""
        findings = [str(located) for located in event.findings]
        for text in findings:
            if text not in self._said:
                self._say(text)
        self._said = frozenset(findings)
        if isinstance(event, Refused):
            kept = "the last good configuration stays" if self._greeted else "nothing is served yet"
            self._say(f"refused: {event.reason}; {kept}")
        elif self._greeted:
            self._say(f"loaded {event.origin}: {_counted(event)}{_flaws(event)}")
        else:
            self._greeted = True
            self._say(f"Sluice serves {self._url} from {event.origin}: {_counted(event)}{_flaws(event)}.")
            self._say(f"Edit a file, and the next request sees it.\n\n{self._curl(event)}")
        if self._auth and isinstance(event, Loaded) and not event.callers:
            self._say(f"nobody may call: there is no Secret {self._keys} with a key among the files")

    def _curl(self, event: Loaded) -> str:
        names = [name for route in event.snapshot.routes if route.targets or route.auto for name in route.models]
        model = next((name for name in sorted(names) if "*" not in name), "MODEL")
        body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hello"}]})
        key = " -H 'authorization: Bearer KEY'" if self._auth else ""
        return f"  curl {self._url}/v1/chat/completions -H 'content-type: application/json'{key} \\\n    -d '{body}'\n"

    def _say(self, text: str) -> None:
        with contextlib.suppress(OSError):  # nobody reads it any more: no reason not to serve
            print(text, file=self._out, flush=True)


def _counted(event: Loaded) -> str:
    counts = {"route": len(event.snapshot.routes), "provider": len(event.snapshot.providers)}
    if event.callers:
        counts["caller key"] = len(event.callers)
    return ", ".join(_count(number, what) for what, number in counts.items())


def _flaws(event: Loaded) -> str:
    """What was loaded although something in it can't be served."""
    errors = sum(located.finding.level is Level.ERROR for located in event.findings)
    return f"; what {_count(errors, 'error')} named above concern{'s' * (errors == 1)} is not served" if errors else ""


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def run(paths: Sequence[Path], settings: Settings, environ: Mapping[str, str], out: TextIO) -> int:
    """Serve until told to stop. Returns the exit code: 1 when there is nothing to begin with."""
    missing = [path for path in paths if not path.exists()]
    if missing:
        print(f"sluice: {missing[0]}: no such file or folder", file=sys.stderr)
        return 1
    source = DirectorySource(paths, Gateway(namespace=settings.namespace, name=settings.gateway, local=True), environ)
    terminal = Terminal(out, auth=settings.auth, keys=f"{settings.namespace}/{settings.gateway}-keys")

    lines = LineWriter(sys.stderr.buffer)

    async def serve() -> None:
        loop, logger = asyncio.get_running_loop(), make_logger(lines, settings.log_level)
        loop.set_exception_handler(lambda _, context: log_defect(logger, context["message"], context.get("exception")))
        process = Process(settings, source, logger, environ, terminal.show)
        process.listening.add_done_callback(lambda listening: terminal.listening(listening.result()))
        loop.add_signal_handler(signal.SIGTERM, process.stop)
        loop.add_signal_handler(signal.SIGINT, process.interrupt)
        settle_memory()
        await process.run()

    allow_many_connections()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve())
    except CannotListen as error:
        print(f"sluice: {error}", file=sys.stderr)
        return 1
    finally:
        lines.flush()
    return 0
