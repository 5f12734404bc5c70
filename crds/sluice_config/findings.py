"""What compile has to say about a resource."""

from dataclasses import dataclass
from enum import StrEnum

from sluice_config.resources.base import ResourceKey


class Level(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    """The resource is not accepted, or it refers to something of ours that does not exist."""
    WARNING = "warning"
    """The resource works only in part: a name is lost to another route, or a Secret is not there (yet)."""
    INFO = "info"
    """Worth knowing: nothing acts on a field yet, a provider is switched off."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One statement about one field of one resource.

    `field` is a path in the document or "" for the whole; `reason` is a condition's reason, or NotHonoured.
    """

    resource: ResourceKey | None
    field: str
    level: Level
    reason: str
    message: str

    def __str__(self) -> str:
        where = f"{self.resource.kind} {self.resource.namespace}/{self.resource.name}: " if self.resource else ""
        field = f"{self.field}: " if self.field else ""
        return f"{self.level}: {where}{field}{self.message} [{self.reason}]"
