"""Watches of objects of which only the identity is looked at: children of gateways, Secrets, ConfigMaps, namespaces.

Not by kopf, which reads whole objects and whole kinds: nobody may list all Secrets of a cluster, and few should list
all ConfigMaps. Each watch is of one kind in one namespace, or of one object, where the right to it may come and go.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from sluice_operator.interests import Interests, Place
from sluice_operator.kube.api import Api, Stub
from sluice_operator.kube.errors import Forbidden, KubeError
from sluice_operator.kube.kinds import AUTOSCALER, Kind
from sluice_operator.work import Backoff, Random, Sleep

STEADY_SECONDS: Final = 5.0
"""A watch that lived so long did not fail: whatever cuts it may do so again."""
DENIED_SECONDS: Final = 10.0
"""Between looks whether the right to watch is there: how long who binds a role waits for the effect."""


@dataclass(slots=True)
class _Watched:
    names: frozenset[str] | None
    task: asyncio.Task[None] | None = None
    known: dict[str, object] = field(default_factory=dict)


class StubWatches:
    """Watches as many places as it is told to. ``changed`` gets kind and identity of what matters and may have changed.

    Works while ``run`` runs.
    """

    def __init__(self, api: Api, changed: Callable[[Kind, Stub], None], sleep: Sleep, random: Random) -> None:
        self._api, self._changed, self._sleep, self._random = api, changed, sleep, random
        self._watched: dict[Place, _Watched] = {}
        self._backoff = Backoff()

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as self._tasks:
            await asyncio.Event().wait()

    def follow(self, interests: Interests) -> None:
        """Watch these, and nothing else any more."""
        for place in self._watched.keys() - interests.keys():
            gone = self._watched.pop(place)
            if gone.task:
                gone.task.cancel()
        for place, names in interests.items():
            if place in self._watched:
                self._watched[place].names = names
            else:
                watched = self._watched[place] = _Watched(names)
                watched.task = self._tasks.create_task(self._watch(place, watched))

    async def _watch(self, place: Place, watched: _Watched) -> None:
        failures, clock = 0, asyncio.get_running_loop().time
        while True:
            began = clock()
            try:
                await self._list_and_watch(place, watched)
            except Forbidden:
                lost, watched.known = watched.known, {}
                await self._sleep(DENIED_SECONDS)
                if lost:  # it has lasted now: what was kept for so long may go
                    self._changed(place[0], Stub(place[1] or "", "", "", "", deleted=True))
                continue
            except KubeError:
                failures += 1
            if clock() - began >= STEADY_SECONDS:
                failures = 0
            else:
                await self._sleep(self._backoff.delay(max(failures, 1), self._random))

    async def _list_and_watch(self, place: Place, watched: _Watched) -> None:
        """Tell what changed since the last list, also what has vanished; then what changes while the watch lasts."""
        kind, namespace, only = place
        stubs, version = await self._api.list_stubs(kind, namespace, name=only)
        before, watched.known = watched.known, {stub.name: _mark(place, stub) for stub in stubs}
        for stub in stubs:
            if before.get(stub.name) != watched.known[stub.name]:
                self._tell(place, watched, stub)
        for name in before.keys() - watched.known.keys():
            self._tell(place, watched, Stub(namespace or "", name, "", "", deleted=True))
        async for stub in self._api.watch_stubs(kind, namespace, version, name=only):
            was = watched.known.pop(stub.name, None)
            if not stub.deleted:
                watched.known[stub.name] = _mark(place, stub)
            if stub.deleted or was != watched.known[stub.name]:
                self._tell(place, watched, stub)

    def _tell(self, place: Place, watched: _Watched, stub: Stub) -> None:
        if watched.names is None or stub.name in watched.names:
            self._changed(place[0], stub)


def _mark(place: Place, stub: Stub) -> object:
    """What must differ for a change to count. An autoscaler's status changes every few seconds, and means nothing."""
    return stub.written if place[0] is AUTOSCALER else stub.resource_version
