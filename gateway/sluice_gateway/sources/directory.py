"""The source of local mode: a folder of YAML in the place of the API server."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

from sluice_config.codec import digest, digest_of, dump
from sluice_config.compile import Gateway
from sluice_config.findings import Finding, Level
from sluice_gateway.sources.assembly import assemble
from sluice_gateway.sources.folder import Contents, Folder
from sluice_gateway.sources.keys import find_callers, find_keys, wanted_by_snapshot
from sluice_gateway.sources.last_good import LastGood, NotKept
from sluice_gateway.sources.source import LAST_GOOD, Loaded, LocatedFinding, Refused, same
from sluice_gateway.sources.watching import RESCAN_SECONDS, Watcher

NOT_KEPT = "NotKept"
"""The reason of the warning that the last good state can't be written."""


class DirectorySource:
    """Reads files and folders, compiles what they declare, and does so again whenever they change.

    Errors in the files themselves (unreadable, not YAML, invalid resources) refuse the new state as a whole, and the
    last good one stays. What compile finds (a missing provider or Secret) does not: the rest is served. An edit that
    changes nothing of an event gives none. When the first look after a start is refused, the state that was kept on
    disk comes first, then the refusal.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        gateway: Gateway,
        environ: Mapping[str, str],
        rescan_seconds: float = RESCAN_SECONDS,
    ) -> None:
        self.folder = Folder(paths)
        self._gateway = replace(gateway, local=True)
        self._environ = environ
        self._watcher = Watcher(paths, rescan_seconds)
        self._last_good = LastGood.for_paths(paths, gateway, environ)
        self._encoded = b""
        self._kept = ""
        self._last: Loaded | Refused | None = None
        self._warned = False
        self._warning: LocatedFinding | None = None

    async def events(self) -> AsyncIterator[Loaded | Refused]:
        """The first event comes at once, then one for each change. All work is done in threads.

        Whoever follows again after a defect gets what is there now, unless it is what was taken last.
        """
        self.folder.forget()
        saving: asyncio.Future[None] | None = None
        async with aclosing(self._watcher.changes()) as changes:
            async for _ in changes:
                contents = await asyncio.to_thread(self.folder.read)
                if contents is None:
                    continue
                event = await asyncio.to_thread(self._event, contents)
                if saving:
                    await saving  # so that whatever comes next, what is served now is on disk
                if self._last is None and isinstance(event, Refused):
                    if restored := await asyncio.to_thread(self._restored, contents):
                        yield restored
                elif isinstance(event, Loaded):
                    saving = asyncio.ensure_future(asyncio.to_thread(self._keep, event, self._encoded))
                    if self._last is None:
                        await saving  # so that a warning comes with the first event
                    event = self._with_warning(event)
                if self._last is None or not same(event, self._last):
                    yield event
                    self._last = event  # only now: who was broken off by it gets it again

    def _event(self, contents: Contents) -> Loaded | Refused:
        assembly = assemble(contents, self._gateway, self._environ)
        origin = self.folder.origin
        if assembly.blocking:
            count = len(assembly.blocking)
            return Refused(f"{count} error{'s' * (count != 1)} in {origin}", assembly.blocking)
        snapshot = assembly.snapshot
        self._encoded = dump(snapshot)  # takes 10 ms for a thousand routes: done once, for the digest and the disk
        identity = digest_of(self._encoded)
        return Loaded(snapshot, identity, assembly.credentials, assembly.callers, assembly.findings, origin)

    def _restored(self, contents: Contents) -> Loaded | None:
        """The state that was kept, with the keys that can be read now."""
        snapshot = self._last_good.load()
        if snapshot is None or snapshot.gateway != str(self._gateway):
            return None
        keys = find_keys(wanted_by_snapshot(snapshot), contents, self._environ)
        callers, _ = find_callers(contents, self._gateway)
        return Loaded(snapshot, digest(snapshot), keys.credentials(snapshot), callers, (), LAST_GOOD)

    def _keep(self, event: Loaded, encoded: bytes) -> None:
        """Write the state down. Failing that, the next event carries a warning, once."""
        if self._warned or event.digest == self._kept:
            return
        try:
            self._last_good.save(encoded)
            self._kept = event.digest
        except NotKept as error:
            self._warned = True
            self._warning = LocatedFinding(Finding(None, "", Level.WARNING, NOT_KEPT, str(error)), "", 0)

    def _with_warning(self, event: Loaded) -> Loaded:
        warning, self._warning = self._warning, None
        return replace(event, findings=(*event.findings, warning)) if warning else event
