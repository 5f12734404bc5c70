"""Which replica is the leader: the one that holds a Lease, and renews it.

The rules and times are those of Kubernetes' own components (client-go's leaderelection). A leader stops to act some
seconds before any other may take over, by its own clock; no two clocks are ever compared.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sluice_operator.errors import LeaseLost
from sluice_operator.kube.api import Api
from sluice_operator.kube.errors import Conflict, KubeError, NotFound
from sluice_operator.kube.kinds import LEASE, Document, metadata_of
from sluice_operator.work import Clock, Random, Sleep


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds. Another replica may take a Lease that was not renewed for ``duration``.

    Its holder gives up after ``deadline``, and tries to renew each ``retry``. The defaults are Kubernetes' own.
    """

    duration: int = 15
    deadline: float = 10.0
    retry: float = 2.0


class Election:
    """One candidate, called ``identity``. ``now`` tells the time to write down; ``clock`` decides."""

    def __init__(
        self,
        api: Api,
        namespace: str,
        name: str,
        identity: str,
        *,
        clock: Clock,
        sleep: Sleep,
        random: Random,
        now: Callable[[], datetime],
        times: Times | None = None,
    ) -> None:
        self._api, self._namespace, self._name, self._identity = api, namespace, name, identity
        self._clock, self._sleep, self._random, self._now = clock, sleep, random, now
        self._times = times or Times()
        self._lease: Document | None = None
        self._observed = 0.0
        self._renewed: float | None = None
        self.trouble = ""
        """Why it could not be tried to become the leader, the last time."""

    @property
    def leading(self) -> bool:
        """Whether this replica is the leader at this moment, and may write."""
        return self._renewed is not None and self._clock() - self._renewed < self._times.deadline

    @property
    def holder(self) -> str:
        """Who holds the Lease as far as this replica knows; empty for nobody."""
        return str(_spec(self._lease).get("holderIdentity") or "")

    def check(self) -> None:
        """Raises LeaseLost unless this replica is the leader: asked before each write."""
        if not self.leading:
            raise LeaseLost(f"not the leader: {self.holder or 'nobody'} holds the Lease")

    async def acquire(self) -> None:
        """Wait to become the leader. Faults of the API server are waited out."""
        while True:
            try:
                async with asyncio.timeout(self._times.deadline):
                    if await self._try():
                        return
            except (KubeError, TimeoutError) as error:
                self.trouble = str(error) or "the API server does not answer"
            else:
                self.trouble = ""
            await self._sleep(self._times.retry * (1 + self._random() / 5))

    async def hold(self) -> None:
        """Renew the Lease for as long as possible. Raises LeaseLost, and returns never."""
        while True:
            await self._sleep(self._times.retry)
            try:
                async with asyncio.timeout(self._left()):
                    held = await self._try()
            except (KubeError, TimeoutError):
                held = True  # as far as anybody knows, until the deadline
            if not held or not self.leading:
                self._renewed = None
                raise LeaseLost(f"the Lease is lost to {self.holder or 'nobody'}")

    async def release(self) -> None:
        """Let another replica take over at once. Raises KubeError."""
        if self._renewed is None or self._lease is None:
            return
        self._renewed = None
        spec = _spec(self._lease) | {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": self._time()}
        await self._api.replace(self._lease | {"spec": spec})

    def _left(self) -> float:
        """Seconds until the deadline."""
        return 0.0 if self._renewed is None else self._times.deadline - (self._clock() - self._renewed)

    async def _try(self) -> bool:
        """Take or renew the Lease, unless somebody else has it. Raises KubeError."""
        asked = self._clock()  # what is written counts from before the request: the server may be slow to answer
        if not self.leading:
            self._observe(await self._api.find(LEASE, self._namespace, self._name))
        if not self._is_free():
            return False
        try:
            self._lease = await (self._api.create if self._lease is None else self._api.replace)(self._claim())
        except (Conflict, NotFound):
            self._observe(await self._api.find(LEASE, self._namespace, self._name))
            return self.leading and self.holder == self._identity  # an answer of ours got lost, or a hand edited it
        self._renewed = self._observed = asked
        return True

    def _observe(self, lease: Document | None) -> None:
        version = metadata_of(lease or {}).get("resourceVersion")
        if version != metadata_of(self._lease or {}).get("resourceVersion"):
            self._observed = self._clock()
        self._lease = lease

    def _is_free(self) -> bool:
        if not self.holder or self.holder == self._identity:
            return True
        duration = _spec(self._lease).get("leaseDurationSeconds") or self._times.duration
        return self._clock() - self._observed > float(duration)

    def _claim(self) -> Document:
        """The Lease, renewed or taken."""
        spec = _spec(self._lease)
        if self.holder != self._identity:
            taken = {"acquireTime": self._time(), "leaseTransitions": int(spec.get("leaseTransitions") or 0) + 1}
            spec = spec | taken if self._lease else {"acquireTime": self._time(), "leaseTransitions": 0}
        spec = spec | {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": self._times.duration,
            "renewTime": self._time(),
        }
        return (self._lease or LEASE.document(self._namespace, self._name)) | {"spec": spec}

    def _time(self) -> str:
        """Now, as a MicroTime: RFC 3339 with microseconds."""
        return self._now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _spec(lease: Document | None) -> dict[str, Any]:
    return (lease or {}).get("spec") or {}
