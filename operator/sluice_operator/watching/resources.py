"""kopf, which watches the resources and the gateways' Deployments, and says that one of them may have changed.

It is plumbing and nothing else: no handler that it would keep a finalizer, an annotation or a status for. It runs on a
thread with an event loop of its own, because it takes over signal handlers and, when it ends, every task of its loop.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import kopf

from sluice_config.published import GATEWAY_LABEL
from sluice_operator.errors import OperatorError
from sluice_operator.gather import RESOURCE_KINDS
from sluice_operator.kube.access import Access
from sluice_operator.kube.api import CHUNK, WATCH_SECONDS
from sluice_operator.kube.kinds import DEPLOYMENT
from sluice_operator.work import Random

FIRST_BACKOFF: Final = 0.5
LONGEST_BACKOFF: Final = 5.0
"""Seconds between tries to begin a watch: an API server that comes back should be noticed soon."""
IDLE_SECONDS: Final = 0.1
"""For which kopf keeps the task of an object that has changed: there is no work whose order it would have to keep."""
INACTIVE_SECONDS: Final = 70.0
"""Without a sign of life, bookmarks included (one a minute), a watch begins anew."""


_IDENTITY: Final[Any] = "sluice-operator"
"""For peering, which is off. Without one, kopf looks for the name of the user, and those of containers have none."""


class WatchEnded(OperatorError):
    """A watch can't go on, as when the resources' definitions are gone: nothing would be noticed any more."""

    reason = "WatchEnded"


@dataclass(frozen=True, slots=True)
class Change:
    """An object that may have changed. ``shape``: None when it is gone, else a number that tells its meanings apart."""

    kind: str
    namespace: str
    name: str
    resource_version: str
    gateway: str
    shape: int | None


class ResourceWatch:
    """Watches in ``namespaces`` (None: all). ``changed`` is called in the event loop of ``run``."""

    def __init__(
        self, access: Access, namespaces: Sequence[str] | None, changed: Callable[[Change], None], random: Random
    ) -> None:
        self._access, self._namespaces, self._changed, self._random = access, namespaces, changed, random
        self._ready, self._stop = threading.Event(), threading.Event()

    @property
    def ready(self) -> bool:
        """Whether the watches have begun."""
        return self._ready.is_set()

    async def run(self) -> None:
        """Watch until cancelled. Raises WatchEnded."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, "kopf") as thread:
            ended = loop.run_in_executor(thread, lambda: asyncio.run(self._operate(loop)))
            try:
                await asyncio.wait({ended})
            finally:
                self._stop.set()
                await asyncio.wait({ended})
        raise WatchEnded("a watch of resources has ended") from ended.exception()

    async def _operate(self, loop: asyncio.AbstractEventLoop) -> None:
        registry = kopf.OperatorRegistry()
        kopf.on.login(registry=registry)(self._login)

        async def event(event: Any, **_: Any) -> None:
            loop.call_soon_threadsafe(self._changed, _change(event))

        for kind in (*RESOURCE_KINDS, DEPLOYMENT):
            group, _, version = kind.api_version.rpartition("/")
            kopf.on.event(group, version, kind.plural, registry=registry)(event)
        try:
            await kopf.operator(
                registry=registry,
                settings=self._settings(),
                standalone=True,
                clusterwide=self._namespaces is None,
                namespaces=self._namespaces or (),
                ready_flag=self._ready,
                stop_flag=self._stop,
                identity=_IDENTITY,
            )
        finally:
            self._stop.set()  # a thread waits for it, which would keep this one from ending

    async def _login(self, **_kwargs: Any) -> kopf.ConnectionInfo:
        """The same way that the rest of the process goes; asked again when the server refuses the token."""
        return self._access.connection()

    def _settings(self) -> kopf.OperatorSettings:
        settings = kopf.OperatorSettings()
        settings.networking.request_timeout = 30
        settings.networking.connect_timeout = 5
        settings.networking.error_backoffs = _Backoffs(self._random)
        settings.watching.server_timeout = WATCH_SECONDS
        settings.watching.inactivity_timeout = INACTIVE_SECONDS
        settings.watching.chunk_size = CHUNK
        settings.watching.label_selectors["apps", "v1", "deployments"] = GATEWAY_LABEL
        settings.queueing.idle_timeout = IDLE_SECONDS
        settings.scanning.disabled = True
        settings.peering.standalone = True
        settings.posting.enabled = False
        settings.posting.level = logging.WARNING
        settings.process.ultimate_exiting_timeout = None  # it would kill this process while it gives up its Lease
        return settings


class _Backoffs:
    """Seconds between tries of one request: without end, since kopf would end the process with them."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def __iter__(self) -> Iterator[float]:
        delay = FIRST_BACKOFF
        while True:
            yield delay * (1 - self._random() / 2)
            delay = min(delay * 2, LONGEST_BACKOFF)


def _change(event: Any) -> Change:
    found = event["object"]
    metadata = found["metadata"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    names = tuple(sorted({**labels, **annotations}.items()))
    shape = hash((metadata["uid"], metadata.get("generation"), "deletionTimestamp" in metadata, names))
    return Change(
        found.get("kind", ""),
        metadata["namespace"],
        metadata["name"],
        metadata["resourceVersion"],
        labels.get(GATEWAY_LABEL, ""),
        None if event["type"] == "DELETED" else shape,
    )
