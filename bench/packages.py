"""The two programs that the benchmarks need and Debian has."""

import os
import shutil
import subprocess

from bench.contenders import nginx

_PACKAGES = {"wrk": "wrk", "nginx": "nginx-light"}


def missing_programs() -> set[str]:
    """Which of wrk and nginx are missing, after an attempt to install them where that is allowed: as root, by apt."""
    missing = _missing()
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        packages = sorted(_PACKAGES[program] for program in missing)
        print(f"installing {', '.join(packages)}", flush=True)
        for arguments in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
            subprocess.run(["apt-get", "-qq", *arguments], check=False, stdin=subprocess.DEVNULL, capture_output=True)
        missing = _missing()
    return missing


def _missing() -> set[str]:
    return {program for program in _PACKAGES if not (nginx.find() if program == "nginx" else shutil.which(program))}
