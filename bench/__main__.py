"""The command: ``python -m bench [PART]... [--rounds N] [--rest SECONDS] [--seconds SECONDS] [--write]``.

Without a PART all run.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import estimates, operator, proxy, reload, routing, soak, start, translation
from bench.figures import circumstances, keep
from bench.measured import LOAD_CORE

PARTS: dict[str, Callable[[Path, argparse.Namespace], str]] = {
    "proxy": lambda folder, wanted: proxy.run(folder, wanted.rounds),
    "routing": lambda folder, wanted: routing.run(folder, wanted.rounds),
    "translation": lambda folder, wanted: translation.run(folder, wanted.rounds),
    "estimates": lambda _, __: estimates.run(),
    "reload": lambda folder, _: reload.run(folder),
    "start": lambda folder, _: start.run(folder),
    "soak": lambda folder, wanted: soak.run(folder, wanted.seconds),
    "operator": lambda folder, wanted: operator.run(folder, wanted.rest),
}


def parse(arguments: Sequence[str], no_cluster: str) -> argparse.Namespace:
    """The parts to run, and how. Exits with 2 for anything else. ``no_cluster``: why none can run here, if so."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all of them if none is named")
    parser.add_argument("--rounds", type=int, default=4, help="rounds of proxy, routing and translation")
    parser.add_argument("--rest", type=float, default=60, metavar="SECONDS", help="at rest, of the operator part")
    parser.add_argument("--seconds", type=float, default=180, help="how long the soak lasts")
    parser.add_argument("--write", action="store_true", help="put the figures into docs/benchmarks.md")
    parsed = parser.parse_args(arguments)
    if unknown := sorted(set(parsed.parts) - set(PARTS)):
        parser.error(f"there is no part {', '.join(unknown)}")
    if no_cluster and "operator" in parsed.parts:
        parser.error(f"operator: {no_cluster}")
    if no_cluster and not parsed.parts:
        print(f"left out: operator: {no_cluster}", flush=True)
    parsed.parts = parsed.parts or [part for part in PARTS if part != "operator" or not no_cluster]
    return parsed


def main() -> int:
    """Run the parts, print their figures, and keep them on the page when asked to."""
    wanted = parse(sys.argv[1:], operator.left_out())
    os.sched_setaffinity(0, {LOAD_CORE})
    for part in wanted.parts:
        with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder:
            text = f"Measured {circumstances()}.\n\n{PARTS[part](Path(folder), wanted)}"
        print(f"\n{text}\n", flush=True)
        if wanted.write:
            keep(part, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
