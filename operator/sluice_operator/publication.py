"""One gateway's configuration, from a world to what is written for it, and what there is to say about it afterwards."""

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sluice_config.compile import Resources
from sluice_config.shards import Index
from sluice_operator.children import Children, Live, Written, credentials_key, index_key
from sluice_operator.gather import FoundGateway, GatewayKey, World
from sluice_operator.kube.errors import KubeError
from sluice_operator.render import Configuration, Values, configure, read_index, render
from sluice_operator.status import Deployed, Parts, parts_of

RECENT: Final = 4
"""Snapshots whose parts are kept: a pod that runs an older one counts as running nothing."""


@dataclass(frozen=True, slots=True)
class Publication:
    """What a gateway should run, and whether it could be written: `failure` is why not."""

    world: World
    found: FoundGateway
    deployed: Deployed
    index: Index
    written: Written
    size: int
    failure: KubeError | None = None


class Publisher:
    """Publishes configurations of gateways."""

    def __init__(self, children: Children) -> None:
        self._children = children
        self._recent: dict[GatewayKey, dict[str, Parts]] = {}

    async def publish(self, found: FoundGateway, world: World) -> Publication:
        """Compile, render, and write what has changed. Raises LeaseLost; a KubeError is in what it returns."""
        owner, failure, live = found.owner, None, Live()
        try:
            live = await self._children.begin(owner)
        except KubeError as error:
            failure = error
        previous = read_index(live.get(index_key(owner)))
        resources = world.by_gateway.of(found.gateway)
        values = world.values(resources)
        configuration, parts = await asyncio.to_thread(_configured, found, resources, values, previous)
        rendered = render(
            owner,
            configuration,
            resources.routes,
            previous=previous,
            live_credentials=live.get(credentials_key(owner)),
            new_revision=lambda: secrets.token_hex(8),
        )
        written = Written()
        if failure is None:
            try:
                written = await self._children.write(owner, rendered, live)
            except KubeError as error:
                failure = error
        deployed = Deployed(
            found.gateway,
            configuration.compiled,
            rendered.index.digest,
            rendered.index.credentials_revision,
            known=self._remember(found, rendered.index.digest, parts),
            taken=written.taken,
            unwritten=str(failure or ""),
        )
        size = sum(map(len, configuration.split.shards.values()))
        return Publication(world, found, deployed, rendered.index, written, size, failure)

    async def sweep(self, publication: Publication) -> None:
        """Delete what is superseded: when every pod runs what is published. Raises KubeError and LeaseLost."""
        await self._children.sweep(publication.found.owner, publication.index)

    def forget(self, key: GatewayKey) -> None:
        """The gateway is gone; the garbage collector of the cluster takes its children."""
        self._recent.pop(key, None)

    def _remember(self, found: FoundGateway, digest: str, parts: Parts) -> Mapping[str, Parts]:
        recent = self._recent.setdefault((found.gateway.namespace, found.gateway.name), {})
        recent.pop(digest, None)
        recent[digest] = parts
        while len(recent) > RECENT:
            del recent[next(iter(recent))]
        return dict(recent)


def _configured(
    found: FoundGateway, resources: Resources, values: Values, previous: Index | None
) -> tuple[Configuration, Parts]:
    """Pure, and for ten thousand routes some seconds of work."""
    configuration = configure(found.gateway, resources, values, previous)
    return configuration, parts_of(configuration.compiled.snapshot)
