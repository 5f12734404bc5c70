"""What a cluster needs of this machine, found out before it is needed, and said in words that help."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

TO_BUILD = ("go", "apt-get", "dpkg", "nice", "wget")
TO_RUN = ("ip", "mount", "nsenter", "openssl", "unshare")

# Decides what happens where clusters cannot run: "required" fails, "off" always leaves the tests out.
SWITCH = "SLUICE_TEST_CLUSTER"


def required(environment: Mapping[str, str]) -> bool:
    """Whether a missing precondition must be a failure: where it is asked for, and wherever CI says that it is CI."""
    return environment.get(SWITCH) == "required" or (SWITCH not in environment and bool(environment.get("CI")))


def cannot_build() -> str:
    """Why the programs cannot be built here; empty if they can."""
    return _missing(TO_BUILD)


def cannot_run(environment: Mapping[str, str], user: int | None = None) -> str:
    """Why no cluster can run here for a user, by default this one; empty if one can. Says nothing of the programs."""
    if environment.get(SWITCH) == "off":
        return f"{SWITCH} is off"
    if (os.geteuid() if user is None else user) != 0:
        return "a cluster needs root"
    if missing := _missing(TO_RUN):
        return missing
    namespaces = ("unshare", "--net", "--mount", "--pid", "--fork", "true")
    made = subprocess.run(namespaces, capture_output=True, text=True, check=False)
    return "" if made.returncode == 0 else f"namespaces cannot be made here: {made.stderr.strip()}"


def cannot_use(programs: Path, environment: Mapping[str, str]) -> str:
    """Why a test cannot have a cluster now; empty if it can."""
    if reason := cannot_run(environment):
        return reason
    if programs.exists():
        return ""
    if missing := cannot_build():
        return f"the programs of a cluster are not built, and cannot be: {missing}"
    return "the programs of a cluster are not built: python -m tests.cluster build (about 6 minutes, once)"


def _missing(commands: tuple[str, ...]) -> str:
    missing = [command for command in commands if shutil.which(command) is None]
    return f"not installed: {', '.join(missing)}" if missing else ""
