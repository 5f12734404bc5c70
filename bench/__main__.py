"""The command: ``python -m bench [proxy|reload|start]... [--rounds N] [--write]``. Without a name it runs all parts."""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import proxy, reload, start
from bench.figures import circumstances, keep
from bench.measured import LOAD_CORE

PARTS: dict[str, Callable[[Path, int], str]] = {
    "proxy": proxy.run,
    "reload": lambda folder, _: reload.run(folder),
    "start": lambda folder, _: start.run(folder),
}


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The parts to run, the rounds, and whether to keep the figures. Exits with 2 for anything else."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all of them if none is named")
    parser.add_argument("--rounds", type=int, default=4, help="rounds of the proxy part")
    parser.add_argument("--write", action="store_true", help="put the figures into docs/benchmarks.md")
    parsed = parser.parse_args(arguments)
    parsed.parts = parsed.parts or [*PARTS]
    if unknown := sorted(set(parsed.parts) - set(PARTS)):
        parser.error(f"there is no part {', '.join(unknown)}")
    return parsed


def main() -> int:
    """Run the parts, print their figures, and keep them on the page when asked to."""
    wanted = parse(sys.argv[1:])
    os.sched_setaffinity(0, {LOAD_CORE})
    for part in wanted.parts:
        with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder:
            text = f"Measured {circumstances()}.\n\n{PARTS[part](Path(folder), wanted.rounds)}"
        print(f"\n{text}\n", flush=True)
        if wanted.write:
            keep(part, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
