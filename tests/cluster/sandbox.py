"""The namespaces and control groups that hold everything a cluster runs."""

import os
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.shell import ClusterError, run, wait_until

# The shell writes down who it is before it becomes `unshare`, so that a
# sandbox whose creator was killed can always be found again.
START = """
cat /proc/$$/stat > "$1"
exec unshare --net --mount --pid --fork --kill-child --mount-proc sh -c 'sleep infinity & wait'
"""

# The programs may use their usual folders: in here they are empty and
# private. Unpacked images are many small files: in memory they are written
# faster, and go with the sandbox. The kubelet's volumes lie on disk, in the
# cluster's directory.
MOUNTS = """
set -eu
mount -t tmpfs tmpfs /mnt
mkdir /mnt/cluster /mnt/programs
mount --bind "$1" /mnt/cluster
mount --bind "$2" /mnt/programs
for folder in /run /var/lib /var/log; do mount -t tmpfs tmpfs "$folder"; done
mkdir /var/lib/kubelet /mnt/cluster/kubelet
mount --bind /mnt/cluster/kubelet /var/lib/kubelet
"""


@dataclass(frozen=True)
class Process:
    """A process, told apart from a later one with the same id by its start time."""

    pid: int
    started: int

    @classmethod
    def parse(cls, stat: str) -> "Process":
        """Read a process from the text of its /proc/PID/stat."""
        pid, _, rest = stat.partition(" ")
        return cls(int(pid), int(rest.rpartition(")")[2].split()[19]))

    def alive(self) -> bool:
        """Whether this very process still exists."""
        try:
            return Process.parse(Path(f"/proc/{self.pid}/stat").read_text()) == self
        except (FileNotFoundError, ProcessLookupError):
            return False

    def children(self) -> list[int]:
        """The ids of its children; none when it has ended."""
        try:
            return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            return []


class Sandbox:
    """The PID, mount and network namespaces of one cluster.

    `unshare` holds the network namespace and kills the sandbox's first process
    if it is killed itself. The kernel then ends the rest.
    """

    def __init__(self, directory: Path) -> None:
        self._record = directory / "sandbox.stat"
        self._directory = directory

    def start(self, programs: Path) -> None:
        """Make the namespaces; inside, /mnt/cluster is the cluster's directory and /mnt/programs the programs."""
        with (self._directory / "logs/sandbox.log").open("wb") as log:
            command = ["sh", "-c", START, "sh", str(self._record)]
            subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        wait_until(self._has_first_process, "the sandbox to start", interval=0.01)
        run(*self.enter("sh", "-c", MOUNTS, "sh", str(self._directory), str(programs)))

    def enter(self, *command: str | Path) -> list[str]:
        """The command line that runs this command inside the sandbox."""
        return ["nsenter", "-t", str(self._first_process()), "-m", "-n", "-p", "--", *map(str, command)]

    def enter_network(self, *command: str) -> list[str]:
        """The same in the sandbox's network only, among this machine's processes and files."""
        return ["nsenter", "-t", str(self._first_process()), "-n", "--", *command]

    def recorded(self) -> bool:
        """Whether a sandbox was ever started here."""
        return self._record.exists()

    def running(self) -> bool:
        """Whether the sandbox's processes live."""
        process = self._process()
        return process is not None and process.alive()

    def kill(self) -> None:
        """End every process in the sandbox, and with them its mounts and network."""
        process = self._process()
        if process is None or not process.alive():
            return
        holder = os.pidfd_open(process.pid)
        for pid in process.children() or [process.pid]:  # the holder reaps its child, and follows
            signal.pidfd_send_signal(os.pidfd_open(pid), signal.SIGKILL)
        if not select.select([holder], [], [], 60)[0]:
            raise ClusterError("the sandbox did not end")

    def processes(self) -> dict[str, list[int]]:
        """The programs in here, by name: this machine's ids of their processes."""
        namespace = Path(f"/proc/{self._first_process()}/ns/pid").readlink()
        found: dict[str, list[int]] = {}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if (process / "ns/pid").readlink() == namespace:
                    found.setdefault(program_name(process), []).append(int(process.name))
            except OSError:  # gone meanwhile, or none of ours
                continue
        return found

    @contextmanager
    def paused(self, program: str) -> Iterator[None]:
        """A program does nothing as long as the block lasts.

        `nsenter`, its parent, stops with it, but must be told to go on: else it never reaps its child, and the sandbox
        could not end.
        """
        processes = self.processes()[program]
        parents = [_parent(pid) for pid in processes]
        try:
            for pid in processes:
                os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in (*processes, *parents):
                os.kill(pid, signal.SIGCONT)

    def _process(self) -> Process | None:
        try:
            return Process.parse(self._record.read_text())
        except (FileNotFoundError, ValueError):
            return None

    def _has_first_process(self) -> bool:
        process = self._process()
        if process is None:
            return False
        return any(Path(f"/proc/{pid}/comm").read_text().strip() == "sh" for pid in process.children())

    def _first_process(self) -> int:
        process = self._process()
        if process is None or not process.children():
            raise ClusterError(f"no cluster runs in {self._directory}")
        return process.children()[0]


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def program_name(process: Path) -> str:
    """The name of a process's program, given its folder in /proc; of the program with many roles, the role."""
    words = (process / "cmdline").read_bytes().decode().split("\0")
    name = Path(words[0]).name
    return words[1] if name == "kubernetes" else name


def resident_memory(pid: int) -> int:
    """The resident memory of a process in KiB."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status.get("VmRSS", "0 kB").split()[0])


def cgroup_folders(name: str) -> list[Path]:
    """This group's folder in every hierarchy: one with cgroup v2, many with v1."""
    mounts = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
    return [Path(mount[1]) / name for mount in mounts if mount[2] in {"cgroup", "cgroup2"}]


def create_cgroups(name: str) -> None:
    """Make this group, in which the kubelet puts the pods."""
    for folder in cgroup_folders(name):
        folder.mkdir(exist_ok=True)


def remove_cgroups(name: str) -> None:
    """Remove this group and those in it; their processes have ended. Safe to repeat."""
    for top in cgroup_folders(name):
        for folder, _, _ in os.walk(top, topdown=False):
            Path(folder).rmdir()
