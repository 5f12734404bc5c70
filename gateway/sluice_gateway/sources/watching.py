"""Noticing that files may have changed: notifications of the system, and a look of our own now and then."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from watchfiles import Change
from watchfiles._rust_notify import RustNotify, WatchfilesRustInternalError

from sluice_gateway.sources.files import SUFFIXES

SETTLE_MILLISECONDS = 20
"""How long files must be quiet before they are read. A burst of writes is one change. An editor that is in the middle
of writing (truncated, not yet whole) is given this long; a file that is then still half of itself and yet valid can't
be told from a shorter one, and is served until the rest arrives and is noticed in turn."""

BURST_MILLISECONDS = 500
"""Files that never come to rest are read this often."""

RESCAN_SECONDS = 5.0
"""Notifications can be lost (full queues, network file systems); a look at a thousand files costs 5 ms."""

POLL_SECONDS = 0.5
"""How often to look while the system can't notify, or a path is missing; and at the paths themselves at any time."""

Identity = tuple[int, int] | None


@dataclass(slots=True)
class _Watch:
    """One run of watching: from when the paths were found to when one of them is another folder than then."""

    loop: asyncio.AbstractEventLoop
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    stopped: threading.Event = field(default_factory=threading.Event)
    lost: bool = False
    notified: bool = False

    def report(self, *, lost: bool = False) -> None:
        """Called by a thread: something changed. ``lost`` when no further notifications will come."""
        self.lost = self.lost or lost
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self.loop.call_soon_threadsafe(self.changed.set)


class Watcher:
    """Watches files and folders, whether they exist or not."""

    def __init__(self, paths: Sequence[Path], rescan_seconds: float = RESCAN_SECONDS) -> None:
        self._paths = tuple(path.absolute() for path in paths)  # as notifications name them
        self._rescan_seconds = rescan_seconds

    async def changes(self) -> AsyncGenerator[None, None]:
        """Yields once when watching has begun, so that nothing is missed after a first look; then for each change.

        There may be nothing new behind one: to find out is up to the reader. Never ends by itself.
        """
        while True:
            watch = _Watch(asyncio.get_running_loop())
            identities = await asyncio.to_thread(self._identities)
            await asyncio.to_thread(self._start, watch)
            try:
                yield
                looked = watch.loop.time()
                while not watch.lost and identities == await asyncio.to_thread(self._identities):
                    if await _wait(watch.changed, POLL_SECONDS):
                        watch.changed.clear()
                    elif watch.notified and watch.loop.time() - looked < self._rescan_seconds:
                        continue
                    looked = watch.loop.time()
                    yield
            finally:
                watch.stopped.set()

    def _identities(self) -> list[Identity]:
        """Which folders the paths are now. A path may be a link that is turned to another folder, as git-sync does."""
        return [_identity(_folder(path)) for path in self._paths]

    def _start(self, watch: _Watch) -> None:
        """Ask for notifications: of folders with all below; for files of their folder, as editors replace files."""
        folders = [path for path in self._paths if path.is_dir()]
        files = [path for path in self._paths if not path.is_dir()]
        started = [_notify(watch, folders, None)] if folders else []
        if files:
            started.append(_notify(watch, {_folder(path) for path in files}, {path.name for path in files}))
        watch.notified = all(started)


def _notify(watch: _Watch, folders: Iterable[Path], names: set[str] | None) -> bool:
    """Pump notifications from a thread; False where the system has none to give (too many watches, no such folder)."""
    roots = [str(folder) for folder in folders]
    try:
        notify = RustNotify(roots, False, False, 0, names is None, True)
    except (OSError, WatchfilesRustInternalError):
        return False
    threading.Thread(target=_pump, args=(watch, notify, roots, names), name="watch files", daemon=True).start()
    return True


def _pump(watch: _Watch, notify: RustNotify, roots: Sequence[str], names: set[str] | None) -> None:
    while not watch.stopped.is_set():
        changes = notify.watch(BURST_MILLISECONDS, SETTLE_MILLISECONDS, 0, watch.stopped)
        if not isinstance(changes, set):
            break
        if any((Change.deleted, root) in changes for root in roots):
            watch.report(lost=True)
            break
        if any(matters(path, roots, names) for _, path in changes):
            watch.report()
    notify.close()


def matters(path: str, roots: Sequence[str], names: set[str] | None) -> bool:
    """Whether a change of that path can change what the files say: not swap files, not what git does in .git."""
    changed = Path(path)
    if names is not None:
        return changed.name in names
    below = max((root for root in roots if changed.is_relative_to(root)), key=len, default=changed.parent)
    if any(part.startswith(".") and not part.startswith("..") for part in changed.relative_to(below).parts):
        return False
    return not changed.suffix or changed.suffix.lower() in SUFFIXES or changed.name.startswith("..")


def _folder(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _identity(path: Path) -> Identity:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


async def _wait(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
