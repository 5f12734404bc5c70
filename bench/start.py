"""From the command to the first 200 of /ready, and the memory of a gateway that has nothing to do."""

import json
import time
import urllib.request
from pathlib import Path

from bench.contenders import sluice
from bench.figures import spread, table
from bench.listings import VENDORS, listings
from bench.listings import write as write_discovered
from bench.measured import MEASURED_CORE, Measured, NotReady, free_port
from bench.reload import LAYOUTS, write

STARTS = 7
_IDLE_SECONDS = 1.0
_LISTED_SECONDS = 60.0


def run(folder: Path) -> str:
    """Measure, and return the table."""
    rows = []
    for layout in LAYOUTS:
        print(f"start: {layout.name}", flush=True)
        configuration = write(layout, folder / layout.name, free_port())
        rows.append(_row(layout.name, configuration, listed=False))
    print("start: with the vendors' clients", flush=True)
    with listings() as port:
        configuration = write(LAYOUTS[0], folder / "discovery", free_port())
        write_discovered(configuration, port)
        rows.append(_row(f"1 route, models listed by {len(VENDORS)} clients", configuration, listed=True))
    introduction = (
        f"`sluice up` until /ready says 200, with no state of an earlier run: medians of {STARTS} starts. "
        f"Memory after {_IDLE_SECONDS:.0f} s of rest; in the last row after the clients of OpenAI, Anthropic and "
        "Google were imported and have listed models, which took so long from the start."
    )
    return f"{introduction}\n\n{table(('cold start', 'seconds', 'RSS MiB', 'listed after s'), rows)}"


def _row(name: str, configuration: Path, *, listed: bool) -> list[str]:
    figures = [
        _start(configuration, configuration.parent / f"{configuration.name}-{number}", listed=listed)
        for number in range(STARTS)
    ]
    seconds, resident, until_listed = zip(*figures, strict=True)
    return [name, spread(seconds, 2), spread(resident, 1), spread(until_listed, 2) if listed else ""]


def _start(configuration: Path, folder: Path, *, listed: bool) -> tuple[float, float, float]:
    """Seconds to ready, MiB at rest, seconds until all models are listed."""
    port, environ = free_port(), sluice.environ(folder)
    command = sluice.command(configuration, port)
    with Measured(command, port=port, output=folder / "log", core=MEASURED_CORE, environ=environ) as gateway:
        gateway.wait_until_ready()
        ready = time.perf_counter() - gateway.started
        if listed:
            _wait_until_listed(port)
        until_listed = time.perf_counter() - gateway.started
        time.sleep(_IDLE_SECONDS)
        return ready, gateway.resident_mib(), until_listed


def _wait_until_listed(port: int) -> None:
    """Return once every provider has answered. Raises NotReady."""
    deadline = time.monotonic() + _LISTED_SECONDS
    asked: list[dict[str, object]] = []
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/internal/report", timeout=5) as answer:
            asked = json.load(answer)["discovery"]
        if len(asked) == len(VENDORS) and all(one["models"] for one in asked):
            return
        time.sleep(0.02)
    raise NotReady(json.dumps(asked))
