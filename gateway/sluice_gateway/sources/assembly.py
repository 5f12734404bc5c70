"""From what the files declare to what the gateway serves: credentials, compile, and every finding at its line."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sluice_config.codec import digest
from sluice_config.compile import Gateway, Resources, compile_resources
from sluice_config.findings import Level
from sluice_config.resources import CachePolicy, ModelRoute, ProviderPolicy
from sluice_config.snapshot import Snapshot
from sluice_gateway.credentials import Credentials, Secret
from sluice_gateway.sources.folder import Contents, Folder
from sluice_gateway.sources.keys import find_callers, find_keys, wanted_by_resources, with_ways_out
from sluice_gateway.sources.objects import ConfigMapData
from sluice_gateway.sources.source import LocatedFinding


@dataclass(frozen=True, slots=True)
class Assembly:
    """Everything that the files amount to.

    ``blocking`` are errors in the files and objects themselves: with one of them nothing new is served. ``findings``
    are all there is to say, sorted by file and line. ``resources`` counts the valid ones of Sluice's kinds.
    """

    snapshot: Snapshot
    credentials: Credentials
    callers: Mapping[str, Secret]
    blocking: tuple[LocatedFinding, ...]
    findings: tuple[LocatedFinding, ...]
    resources: int

    @property
    def digest(self) -> str:
        """The snapshot's digest."""
        return digest(self.snapshot)


def assemble(contents: Contents, gateway: Gateway, environ: Mapping[str, str]) -> Assembly:
    """Compile the contents for a gateway on this machine. Pure."""
    wanted = tuple(wanted_by_resources(contents))
    keys = find_keys(wanted, contents, environ)
    callers, caller_findings = find_callers(contents, gateway)
    said = [one.finding for one in contents.findings]
    resources = Resources(
        routes=[route for _, route in contents.of(ModelRoute)],
        providers=[policy for _, policy in contents.of(ProviderPolicy)],
        caches=[policy for _, policy in contents.of(CachePolicy)],
        secrets=keys.available,
        config_maps={(key.namespace, key.name): data.keys for key, data in contents.of(ConfigMapData)},
        refused=[finding for finding in said if finding.resource and finding.resource not in contents.places],
    )
    compiled = compile_resources(replace(gateway, local=True), resources)
    found = with_ways_out([one for one in compiled.findings if one not in said], wanted, contents)
    own = [*contents.findings, *map(contents.locate, (*keys.findings, *caller_findings))]
    return Assembly(
        snapshot=compiled.snapshot,
        credentials=keys.credentials(compiled.snapshot),
        callers=callers,
        blocking=_sorted(one for one in own if one.finding.level is Level.ERROR),
        findings=_sorted((*own, *map(contents.locate, found))),
        resources=len(resources.routes) + len(resources.providers) + len(resources.caches),
    )


def assemble_paths(paths: Sequence[Path], gateway: Gateway, environ: Mapping[str, str]) -> Assembly:
    """Read the paths once, and make what can be made of them: errors in one file hide nothing of the others."""
    return assemble(Folder(paths).read() or Contents(), gateway, environ)


def _sorted(findings: Iterable[LocatedFinding]) -> tuple[LocatedFinding, ...]:
    return tuple(sorted(set(findings), key=lambda one: (one.file, one.line, one.finding.field, one.finding.message)))
