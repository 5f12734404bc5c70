"""The page of providers, for the documentation.

python -m sluice_gateway.reference                  print it
python -m sluice_gateway.reference --write FILE     write it to FILE
python -m sluice_gateway.reference --check FILE     exit 1 when FILE is not this page
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from sluice_gateway.reference import markdown


def main(arguments: Sequence[str] | None = None) -> int:
    """Print, write or check the page; the exit code is 1 when a check failed."""
    parser = argparse.ArgumentParser(prog="python -m sluice_gateway.reference")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--write", type=Path, metavar="FILE")
    action.add_argument("--check", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    wanted = markdown()
    if options.write:
        options.write.write_text(wanted, encoding="utf-8")
    elif options.check:
        if not options.check.is_file() or options.check.read_text(encoding="utf-8") != wanted:
            file = options.check
            sys.stderr.write(f"{file} is not as generated; run python -m sluice_gateway.reference --write {file}\n")
            return 1
    else:
        sys.stdout.write(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
