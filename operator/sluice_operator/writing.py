"""Every write to the API server but the Lease's own: by the leader only, counted, and known again when watched."""

from collections import deque
from collections.abc import Callable
from typing import Final

from sluice_operator.kube.api import Api
from sluice_operator.kube.kinds import Document, metadata_of
from sluice_operator.telemetry.metrics import Metrics

REMEMBERED: Final = 20_000
"""Writes that are known again: the statuses of ten thousand resources, twice. An echo comes within milliseconds."""


class Writer:
    """Writes objects. ``check`` raises LeaseLost when this process may not write any more."""

    def __init__(self, api: Api, check: Callable[[], None], metrics: Metrics) -> None:
        self._api, self._check, self._metrics = api, check, metrics
        self._signs: deque[str] = deque()
        self._known: set[str] = set()

    async def apply(self, document: Document) -> Document:
        """Server-side apply; the object as it is then. Raises KubeError and LeaseLost, like all methods."""
        self._count(document)
        return self._remember(await self._api.apply(document))

    async def merge(self, document: Document) -> Document:
        """A JSON merge patch."""
        self._count(document)
        return self._remember(await self._api.merge(document))

    async def apply_status(self, document: Document) -> Document:
        """Server-side apply of the status alone."""
        self._count(document)
        return self._remember(await self._api.apply_status(document))

    async def delete(self, document: Document) -> None:
        """Delete the object as it was read."""
        self._count(document)
        self._remember(document, "uid")
        await self._api.delete(document)

    async def create(self, document: Document) -> Document:
        """A new object."""
        self._count(document)
        return self._remember(await self._api.create(document))

    def knows(self, sign: str) -> bool:
        """Whether an object is what was written here, by its resourceVersion; or gone by this hand, by its uid."""
        return sign in self._known

    def _count(self, document: Document) -> None:
        self._check()
        self._metrics.writes.labels(document["kind"]).inc()

    def _remember(self, written: Document, field: str = "resourceVersion") -> Document:
        sign = metadata_of(written)[field]
        self._signs.append(sign)
        self._known.add(sign)
        while len(self._signs) > REMEMBERED:
            self._known.discard(self._signs.popleft())
        return written
