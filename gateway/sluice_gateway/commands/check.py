"""``sluice check``: what a folder of YAML amounts to, said like a compiler, for people and for CI."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from sluice_config.compile import Gateway
from sluice_config.findings import Level
from sluice_gateway.settings import Settings
from sluice_gateway.sources.assembly import Assembly, assemble_paths


def run(paths: Sequence[Path], output: str, environ: Mapping[str, str], stdout: TextIO) -> int:
    """Validate and compile the files; print findings sorted by file and line. Returns 1 when one is an error, else 0.

    As text: a line each, then a summary. As JSON one object: ``findings``, each with ``file``, ``line``, ``level``
    (error, warning, info), ``kind``, ``namespace``, ``name``, ``field``, ``reason`` and ``message``, null where it does
    not apply; ``summary`` with ``errors``, ``warnings``, ``infos`` and ``resources``; and ``digest`` of the snapshot
    that a gateway would serve, null when an error in the files would keep it from serving any. Raises InvalidSetting.
    """
    settings = Settings.read(environ, local=True)
    assembly = assemble_paths(paths, Gateway(settings.namespace, settings.gateway), environ)
    counts = Counter(located.finding.level for located in assembly.findings)
    if output == "json":
        json.dump(_described(assembly, counts), stdout, indent=2)
        stdout.write("\n")
    else:
        stdout.writelines(f"{located}\n" for located in assembly.findings)
        errors, warnings = _counted(counts[Level.ERROR], "error"), _counted(counts[Level.WARNING], "warning")
        stdout.write(f"{errors}, {warnings}, {_counted(assembly.resources, 'resource')}\n")
    return 1 if counts[Level.ERROR] else 0


def _described(assembly: Assembly, counts: Counter[Level]) -> dict[str, object]:
    return {
        "findings": [located.described() for located in assembly.findings],
        "summary": {
            "errors": counts[Level.ERROR],
            "warnings": counts[Level.WARNING],
            "infos": counts[Level.INFO],
            "resources": assembly.resources,
        },
        "digest": None if assembly.blocking else assembly.digest,
    }


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
