"""The last accepted snapshot on disk, so that a start in the middle of a broken edit serves what was good before.

Only the snapshot, never a credential: those come from Secrets and the environment each time.
"""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from sluice_config.codec import InvalidSnapshot, digest_of, load
from sluice_config.compile import Gateway
from sluice_config.snapshot import Snapshot

_FILE = "last-good.json"
_DIGEST_CHARACTERS = 16
_LARGEST = 64 * 1024 * 1024  # bytes; a snapshot of ten thousand routes takes about 20 MiB


class NotKept(Exception):
    """The state could not be written. The text says where and why."""


class LastGood:
    """One snapshot in one file: its digest in the first line, its canonical JSON in the second."""

    def __init__(self, folder: Path | None) -> None:
        """``folder`` None: there is no place to keep anything."""
        self._folder = folder

    @classmethod
    def for_paths(cls, paths: Iterable[Path], gateway: Gateway, environ: Mapping[str, str]) -> "LastGood":
        """The file for these paths and this gateway: ``${XDG_STATE_HOME:-~/.local/state}/sluice/<digest>/``.

        A relative XDG_STATE_HOME is ignored, as the XDG Base Directory Specification says.
        """
        base, home = environ.get("XDG_STATE_HOME", ""), environ.get("HOME", "")
        if Path(base).is_absolute():
            state = Path(base)
        elif Path(home).is_absolute():
            state = Path(home, ".local", "state")
        else:
            return cls(None)
        identity = "\0".join([*sorted(str(path.absolute()) for path in paths), str(gateway)])
        name = hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()[:_DIGEST_CHARACTERS]
        return cls(state / "sluice" / name)

    def save(self, encoded: bytes) -> None:
        """Keep a snapshot, as the codec dumps it. One step: a process killed meanwhile leaves the old state.

        Raises:
            NotKept: the place can't be written.
        """
        if self._folder is None:
            raise NotKept("the last good state can't be kept: neither HOME nor XDG_STATE_HOME is set")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write(self._folder, f"{digest_of(encoded)}\n".encode() + encoded)
        except OSError as error:
            raise NotKept(f"the last good state can't be kept in {self._folder}: {error.strerror or error}") from error

    def load(self) -> Snapshot | None:
        """What is kept; None when there is nothing, or it is damaged or of another version."""
        if self._folder is None:
            return None
        try:
            with (self._folder / _FILE).open("rb") as file:
                header, _, data = file.read(_LARGEST).partition(b"\n")
            if header.decode("ascii", "replace") != digest_of(data):
                return None
            return load(data)
        except (OSError, InvalidSnapshot):
            return None


def _write(folder: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(prefix=".", dir=folder)  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(folder / _FILE)
    except OSError:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)  # the new name is on disk too
    finally:
        os.close(handle)
