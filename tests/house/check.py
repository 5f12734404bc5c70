"""``make check``: every check that runs no product code, all at once; only what failed is printed.

python -m tests.house.check
"""

import asyncio
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
PYTHON = sys.executable


@dataclass(frozen=True)
class Check:
    """One tool's run over the whole tree; ``fix`` is what a person can do about a failure."""

    name: str
    command: tuple[str, ...]
    fix: str = ""


CHECKS = (
    Check("format", (str(BIN / "ruff"), "format", "--check", "--quiet", "."), "make format"),
    Check("lint", (str(BIN / "ruff"), "check", "--quiet", "--output-format=concise", "."), "make format fixes some"),
    Check("types", (str(BIN / "mypy"), "--no-error-summary")),
    Check("imports", (str(BIN / "lint-imports"), "--no-logo"), "the contracts are in pyproject.toml"),
    Check("house", (PYTHON, "-m", "pytest", "-q", "--no-header", "tests/house")),
    Check("crds", (PYTHON, "-m", "sluice_config.crd", "--check", "crds"), "make generate"),
    Check("docs", (PYTHON, "-m", "sluice_config.unhonoured", "--check", "docs/known-weaknesses.md"), "make generate"),
    Check("providers", (PYTHON, "-m", "sluice_gateway.reference", "--check", "docs/providers.md"), "make generate"),
)


async def run(check: Check) -> tuple[int, str]:
    """The check's exit code and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *check.command,
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode(errors="replace")


async def main() -> int:
    """Run all checks; the exit code is 1 when one failed."""
    started = time.monotonic()
    results = await asyncio.gather(*(run(check) for check in CHECKS))
    failed = []
    for check, (code, output) in zip(CHECKS, results, strict=True):
        if code:
            failed.append(check.name)
            print(f"--- {check.name} failed" + (f" ({check.fix})" if check.fix else "") + f"\n{output.strip()}\n")
    outcome = f"failed: {', '.join(failed)}" if failed else "all passed"
    print(f"checked {', '.join(check.name for check in CHECKS)} in {time.monotonic() - started:.1f} s: {outcome}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
