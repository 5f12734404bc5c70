"""A real Redis for tests: a process of its own, which a test may stop, kill and start again.

Its programs are Debian's, unpacked once for a machine into the cache folder outside of the tree.
"""

import hashlib
import os
import platform
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from sluice_gateway.settings import StateAddress
from tests.cluster.build import locked
from tests.cluster.preconditions import SWITCH, required
from tests.cluster.shell import ClusterError, run

SUITE = "trixie"  # Debian 13: its Redis is 8.0, as in the manifests
PACKAGES = (
    *("redis-server", "redis-tools", "libc6", "libssl3t64", "libjemalloc2", "liblzf1", "libatomic1", "libstdc++6"),
    *("libgcc-s1", "libsystemd0", "libcap2", "libzstd1", "zlib1g"),
)
RECIPE = "1"  # raise it to have it made anew
PATIENCE = 20.0


def programs_folder() -> Path:
    """Where the programs are, or will be once they are fetched."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    inputs = f"{RECIPE} {SUITE} {platform.machine()} {' '.join(PACKAGES)}"
    return Path(cache) / "sluice" / "redis" / hashlib.sha256(inputs.encode()).hexdigest()[:16]


def fetched() -> Path:
    """The programs' folder, filled if it was not there: about 5 s. Whoever comes second waits. Raises ClusterError."""
    target = programs_folder()
    target.parent.mkdir(parents=True, exist_ok=True)
    with locked(target.parent / "lock"):
        if not target.exists():
            partial = target.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            (partial / "apt" / "lists" / "partial").mkdir(parents=True)
            (partial / "apt" / "cache" / "archives" / "partial").mkdir(parents=True)
            _unpack(partial)
            shutil.rmtree(partial / "apt")
            partial.rename(target)  # so a folder that exists is whole
    return target


def _unpack(folder: Path) -> None:
    apt = folder / "apt"
    source = f"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {_mirror()} {SUITE} main\n"
    (apt / "sources.list").write_text(source)
    options = (
        f"Dir::Etc::SourceList={apt}/sources.list",
        f"Dir::Etc::SourceParts={apt}/none",
        f"Dir::State::Lists={apt}/lists",
        f"Dir::Cache={apt}/cache",
        "APT::Sandbox::User=root",
    )
    apt_get = ("apt-get", "-q", *(f"-o{option}" for option in options))
    run(*apt_get, "update", cwd=apt)
    run(*apt_get, "download", *PACKAGES, cwd=apt)
    for package in apt.glob("*.deb"):
        run("dpkg", "-x", package, folder / "root")


def _mirror() -> str:
    """Where this machine has its packages from."""
    question = ("apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages", "Origin: Debian")
    for _ in range(2):
        if sites := run(*question, "Label: Debian").split():
            return sites[0]
        run("apt-get", "-q", "update")
    raise ClusterError("this machine has no package sources of Debian's")


def available_programs(environment: Mapping[str, str]) -> Path:
    """The programs' folder. Where they are not and can't be fetched, this fails the test in CI, and else skips it."""
    missing = [name for name in ("apt-get", "dpkg") if shutil.which(name) is None]
    try:
        if programs_folder().exists() or not missing:
            return fetched()
        reason = f"not installed: {', '.join(missing)}"
    except ClusterError as error:
        reason = str(error)
    if required(environment):
        pytest.fail(f"no Redis to test with: {reason}")
    pytest.skip(f"no Redis to test with: {reason} ({SWITCH}=required makes this a failure)")


class RedisServer:
    """A server at a port of its own on loopback, that keeps nothing on disk unless told. Started at once."""

    def __init__(self, programs: Path, folder: Path, *options: str) -> None:
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            self.port: int = free.getsockname()[1]
        self.password = ""
        self._folder = folder
        self._options = options
        root = programs / "root" / "usr"
        [loader] = root.glob("lib*/ld-linux*.so.*")
        [libraries] = [path for path in (root / "lib").glob("*-linux-gnu*") if path.is_dir()]
        self._command = (loader, "--library-path", libraries, root / "bin" / "redis-server")
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def address(self) -> StateAddress:
        """For a gateway."""
        return StateAddress(host="127.0.0.1", port=self.port, password=self.password)

    def client(self) -> redis.Redis:
        """For the test to look with. The caller closes it."""
        return redis.Redis(host="127.0.0.1", port=self.port, password=self.password or None, socket_timeout=PATIENCE)

    def call(self, *command: Any) -> Any:
        """What it answers to one command."""
        with closing(self.client()) as client:
            answer: Any = client
            return answer.execute_command(*command)

    def start(self, *options: str) -> None:
        """Start it, and wait until it listens."""
        where = ("--port", str(self.port), "--bind", "127.0.0.1", "--dir", self._folder, "--save", "")
        with (self._folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen((*self._command, *where, *self._options, *options), stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                with closing(socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)):
                    return
            except OSError:
                assert time.monotonic() < deadline, (self._folder / "redis.log").read_text()
                time.sleep(0.005)

    def kill(self) -> None:
        """End it without a word, and without saving."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(PATIENCE)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """It is there, and does nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server for the tests of one file; each begins with its own names, or empties it."""
    server = RedisServer(available_programs(os.environ), tmp_path_factory.mktemp("redis"))
    yield server
    server.kill()
