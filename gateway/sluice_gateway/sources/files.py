"""Finding and reading the files of a folder, as they are at one moment."""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

SUFFIXES = (".yaml", ".yml", ".json")
KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml")
"""Kustomize's own file: it may lack a kind, and is no resource in any case."""

MOST_ENTRIES = 100_000
"""Files and folders below all paths together. A link to / in somebody else's folder must not be walked for hours."""

LARGEST_FILE = 32 * 1024 * 1024
"""Bytes. Ten thousand routes in one file take about 5 MiB."""

RACY_NANOSECONDS = 2_000_000_000
"""A file that was written this shortly before it was read may change again without a new time: file systems count in
steps of up to 2 s (FAT). Its signature is not trusted; git calls such entries racy."""

Signature = tuple[int, ...]


class Unreadable(Exception):
    """A path can't be read. The text says why and is fit for a finding."""


@dataclass(frozen=True, slots=True)
class FoundFile:
    """One file to read. ``shown`` is its path as the user would write it; equal signatures mean unchanged content."""

    path: Path
    shown: str
    signature: Signature


@dataclass(slots=True)
class Listing:
    """All files below some paths, and what could not be listed: (shown path, reason)."""

    files: list[FoundFile] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)


def list_files(paths: Sequence[Path]) -> Listing:
    """The files that count: those given by name, and in folders, at any depth, those that end in .yaml, .yml or .json.

    Hidden files and folders are passed over, and with them editors' swap files and the folders that ConfigMap volumes
    keep their data in (``..data``); the links that lead there are followed. Sorted by path; nothing comes twice.
    """
    walk = _Walk()
    for path in paths:
        walk.start(path)
    return walk.listing


@dataclass(slots=True)
class _Walk:
    listing: Listing = field(default_factory=Listing)
    seen: set[str] = field(default_factory=set)
    entries: int = 0

    def start(self, path: Path) -> None:
        try:
            status = path.stat()
        except OSError as error:
            self._problem(path, error)
            return
        real = os.path.realpath(path)
        if stat.S_ISDIR(status.st_mode):
            self._folder(path, real)
        else:
            self._file(path, real, status)

    def _folder(self, folder: Path, real: str) -> None:
        if real in self.seen:
            return
        self.seen.add(real)
        try:
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            self._problem(folder, error)
            return
        for entry in entries:
            if not entry.name.startswith("."):
                self._entry(folder / entry.name, real, entry)

    def _entry(self, path: Path, folder: str, entry: os.DirEntry[str]) -> None:
        self.entries += 1
        if self.entries > MOST_ENTRIES:
            if self.entries == MOST_ENTRIES + 1:
                self.listing.problems.append((shown(path), f"there are more than {MOST_ENTRIES} files and folders"))
            return
        try:
            linked = entry.is_symlink()
            real = os.path.realpath(path) if linked else f"{folder}/{entry.name}"
            if entry.is_dir():
                self._folder(path, real)
            elif path.suffix.lower() in SUFFIXES and path.name not in KUSTOMIZATIONS:
                self._file(path, real, path.stat() if linked else entry.stat())
        except FileNotFoundError as error:
            if path.is_symlink():  # it leads nowhere; what is no link has just been deleted
                self._problem(path, error)
        except OSError as error:
            self._problem(path, error)

    def _file(self, path: Path, real: str, status: os.stat_result) -> None:
        if real not in self.seen:
            self.seen.add(real)
            self.listing.files.append(FoundFile(path, shown(path), signature_of(status)))

    def _problem(self, path: Path, error: OSError) -> None:
        self.listing.problems.append((shown(path), reason_of(error)))


def shown(path: Path) -> str:
    """A path for people. File names are somebody else's text: what a terminal would not print as it is, is escaped."""
    text = str(path)
    return text if text.isprintable() else ascii(text)[1:-1]


def reason_of(error: OSError) -> str:
    """Why the system refused, in its words."""
    return f"can't be read: {error.strerror or type(error).__name__}"


def signature_of(status: os.stat_result) -> Signature:
    """Device, inode, size, and the times of the last change to content and to the entry."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def read_file(path: Path, now: int) -> tuple[bytes, Signature | None]:
    """A file's content and its signature, None when that is not to be trusted. ``now``: wall clock, in nanoseconds.

    Raises:
        Unreadable: it is no regular file, is too large, or the system refuses.
        FileNotFoundError: it is not there (any more).
    """
    try:
        # Opening a named pipe would wait for its writer; the flag makes that return at once.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            before = os.fstat(file.fileno())
            if not stat.S_ISREG(before.st_mode):
                raise Unreadable("is not a regular file")
            data = file.read(LARGEST_FILE + 1)
            after = os.fstat(file.fileno())
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unreadable(reason_of(error)) from error
    if len(data) > LARGEST_FILE:
        raise Unreadable(f"is larger than {LARGEST_FILE // 1024**2} MiB")
    newest = max(after.st_mtime_ns, after.st_ctime_ns)
    trusted = signature_of(before) == signature_of(after) and now - newest > RACY_NANOSECONDS
    return data, signature_of(after) if trusted else None
