"""The configuration that is served: the last good one, and what was refused since."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from sluice_config.snapshot import Snapshot
from sluice_gateway.callers import Callers
from sluice_gateway.discovery.watch import Discovery
from sluice_gateway.routing.table import RoutingTable, build_table
from sluice_gateway.sources.source import Loaded, LocatedFinding, Refused, Source
from sluice_gateway.telemetry.log import DefectsLogged, Logger
from sluice_gateway.telemetry.metrics import Metrics
from sluice_gateway.upstream import Upstream

Observer = Callable[[Loaded | Refused], None]

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds until a source that broke is followed again; each time in a row twice as long."""

_MOST_FINDINGS = 50  # shown at /internal/config; the log has all


class Configuration:
    """Follows a source.

    ``table`` and ``callers`` are replaced whole, between two requests; None until something was loaded. ``followers``
    are called with each new table.
    """

    def __init__(
        self,
        http: Upstream,
        *,
        auth: bool,
        logger: Logger,
        metrics: Metrics,
        discovery: Discovery,
        observer: Observer | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.table: RoutingTable | None = None
        self.callers = Callers({}, required=auth)
        self.followers: list[Callable[[RoutingTable], None]] = [discovery.follow]
        self._loaded: Loaded | None = None
        self._refused: Refused | None = None
        self._http = http
        self._auth = auth
        self._logger = logger
        self._metrics = metrics
        self._discovery = discovery
        self._observer = observer
        self._sleep = sleep

    async def follow(self, source: Source) -> None:
        """Take each event of ``source``, for ever. What is served stays when the source breaks, or one of its events
        can't be taken; then it is followed from the start again.
        """
        pause = FIRST_PAUSE
        while True:
            with DefectsLogged(self._logger, "following the source of the configuration"):
                async for event in source.events():
                    await self.take(event)
                    pause = FIRST_PAUSE
                raise RuntimeError("the source of the configuration has ended")
            await self._sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def take(self, event: Loaded | Refused) -> None:
        """Serve what was loaded, as far as it can be, or note why the last good state stays."""
        if isinstance(event, Loaded):
            # Aside, in a thread: a table of thousands of routes must not hold up streams.
            listings = self._discovery.listings
            table = await asyncio.to_thread(
                build_table, event.snapshot, event.digest, event.credentials, self._http, listings
            )
            self._serve(event, table)
        else:
            self._refuse(event)
        if self._observer is not None:
            self._observer(event)

    def _serve(self, event: Loaded, table: RoutingTable) -> None:
        self.table, self.callers = table, Callers(event.callers, required=self._auth)
        for follow in self.followers:
            follow(table)
        self._loaded, self._refused = event, _in_part(event, table)
        self._metrics.loads.labels("loaded").inc()
        self._metrics.config.clear()
        self._metrics.config.labels(event.digest).set(1)
        self._logger.info(
            "configuration loaded",
            digest=event.digest,
            credentials=event.credentials.revision,
            callers=len(event.callers),
            origin=event.origin,
            routes=len(event.snapshot.routes),
        )
        for finding in table.left_out:
            self._logger.error("provider left out", provider=str(finding.resource), reason=finding.message)

    def _refuse(self, event: Refused) -> None:
        self._refused = event
        self._metrics.loads.labels("refused").inc()
        findings = [str(finding) for finding in event.findings]
        self._logger.error("configuration refused", reason=event.reason, digest=event.digest, findings=findings)

    def described(self) -> dict[str, Any]:
        """What is served and what was refused, without any secret: the answer of /internal/config.

        Resources are counted and findings cut off: the operator asks each of a thousand pods for this.
        """
        loaded, refused = self._loaded, self._refused
        return {
            "gateway": loaded.snapshot.gateway if loaded else None,
            "digest": loaded.digest if loaded else None,
            "schemaVersion": loaded.snapshot.schema_version if loaded else None,
            "credentialsRevision": loaded.credentials.revision if loaded else None,
            "origin": loaded.origin if loaded else None,
            "resources": _counted(loaded.snapshot) if loaded else {},
            "findings": _described(loaded.findings if loaded else ()),
            "refused": _refusal(refused) if refused else None,
        }


def _in_part(event: Loaded, table: RoutingTable) -> Refused | None:
    """What was refused of a configuration that is served without it."""
    if not table.left_out:
        return None
    first = table.left_out[0]
    findings = tuple(LocatedFinding(finding, "", 0) for finding in table.left_out)
    return Refused(f"{first.resource}: {first.message}", findings, event.digest)


def _counted(snapshot: Snapshot) -> dict[str, int]:
    return {
        "ModelRoute": len(snapshot.routes),
        "ProviderPolicy": len(snapshot.providers),
        "CachePolicy": len(snapshot.caches),
    }


def _refusal(refused: Refused) -> dict[str, Any]:
    return {"digest": refused.digest, "reason": refused.reason, "findings": _described(refused.findings)}


def _described(findings: tuple[LocatedFinding, ...]) -> list[dict[str, Any]]:
    return [located.described() for located in findings[:_MOST_FINDINGS]]
