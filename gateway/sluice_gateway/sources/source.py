"""What a source of configuration tells the gateway."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from sluice_config.findings import Finding
from sluice_config.snapshot import Snapshot
from sluice_gateway.credentials import Credentials, Secret

LAST_GOOD = "last good state"
"""The origin of a configuration that was kept from before, because what is there now was refused."""


@dataclass(frozen=True, slots=True)
class LocatedFinding:
    """A finding and where the words are that caused it. ``line`` counts from 1; 0 means that no line is to blame."""

    finding: Finding
    file: str
    line: int

    def __str__(self) -> str:
        where = self.file + (f":{self.line}" if self.line else "")
        return f"{where}: {self.finding}" if where else str(self.finding)

    def described(self) -> dict[str, str | int | None]:
        """The finding for machines. Its shape is that of ``sluice check -o json`` and stays as it is."""
        resource = self.finding.resource
        return {
            "file": self.file or None,
            "line": self.line or None,
            "level": self.finding.level.value,
            "kind": resource.kind if resource else None,
            "namespace": resource.namespace if resource else None,
            "name": resource.name if resource else None,
            "field": self.finding.field or None,
            "reason": self.finding.reason,
            "message": self.finding.message,
        }


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration to serve.

    ``digest`` identifies the snapshot. ``callers`` are the consumers' keys, or ``sha256:`` and their digest in hex.
    ``origin`` is what the user calls the source ("manifests/samples"), or LAST_GOOD.
    """

    snapshot: Snapshot
    digest: str
    credentials: Credentials
    callers: Mapping[str, Secret]
    findings: tuple[LocatedFinding, ...]
    origin: str


@dataclass(frozen=True, slots=True)
class Refused:
    """What is there now can't be served; what was loaded before stays.

    ``findings`` are all errors. ``digest`` is that of the snapshot, where one is named.
    """

    reason: str
    findings: tuple[LocatedFinding, ...] = ()
    digest: str | None = None


class Source(Protocol):
    """Gives the configuration, and every change of it."""

    def events(self) -> AsyncIterator[Loaded | Refused]:
        """The first event comes at once, then one for each change. Never ends by itself."""


def same(event: Loaded | Refused, last: Loaded | Refused) -> bool:
    """Whether nobody could tell the difference. Snapshots are compared by their digests."""
    if isinstance(event, Loaded) and isinstance(last, Loaded):
        return (
            event.digest == last.digest
            and event.credentials == last.credentials
            and event.callers == last.callers
            and event.findings == last.findings
        )
    return event == last
