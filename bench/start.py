"""From the command to the first 200 of /ready, and the memory of a gateway that has nothing to do."""

import time
from pathlib import Path

from bench.contenders import sluice
from bench.figures import spread, table
from bench.measured import MEASURED_CORE, Measured, free_port
from bench.reload import LAYOUTS, write

STARTS = 7
_IDLE_SECONDS = 1.0


def run(folder: Path) -> str:
    """Measure, and return the table."""
    rows = []
    for layout in LAYOUTS:
        print(f"start: {layout.name}", flush=True)
        place = folder / layout.name
        configuration = write(layout, place, free_port())
        figures = [_start(configuration, place / str(number)) for number in range(STARTS)]
        seconds, resident = zip(*figures, strict=True)
        rows.append([layout.name, spread(seconds, 2), spread(resident, 1)])
    introduction = (
        f"`sluice up` until /ready says 200, with no state of an earlier run: medians of {STARTS} starts. "
        f"Memory after {_IDLE_SECONDS:.0f} s of rest."
    )
    return f"{introduction}\n\n{table(('cold start', 'seconds', 'RSS MiB'), rows)}"


def _start(configuration: Path, folder: Path) -> tuple[float, float]:
    """Seconds to ready, MiB at rest."""
    port, environ = free_port(), sluice.environ(folder)
    command = sluice.command(configuration, port)
    with Measured(command, port=port, output=folder / "log", core=MEASURED_CORE, environ=environ) as gateway:
        gateway.wait_until_ready()
        seconds = time.perf_counter() - gateway.started
        time.sleep(_IDLE_SECONDS)
        return seconds, gateway.resident_mib()
