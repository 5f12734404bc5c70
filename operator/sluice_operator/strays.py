"""What a Deployment leaves behind when its label changes: children of a gateway that it is no more.

The garbage collector does not take them, since their owner is still there. The old autoscaler would fight the new one,
and the old Secret would keep its keys.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from sluice_config.published import GATEWAY_LABEL, credentials_name, index_name
from sluice_operator.gather import World
from sluice_operator.kube.api import FIELD_MANAGER, Api
from sluice_operator.kube.errors import Forbidden, KubeError, NotFound
from sluice_operator.kube.kinds import AUTOSCALER, CONFIG_MAP, DEPLOYMENT, SECRET, Document, metadata_of
from sluice_operator.render.changes import is_marked
from sluice_operator.telemetry.log import Logger
from sluice_operator.writing import Writer

_LABELS: Final = f"{GATEWAY_LABEL},app.kubernetes.io/managed-by={FIELD_MANAGER}"

Gateways = frozenset[tuple[str, str]]
"""Name and uid of each gateway of a namespace."""


class Strays:
    """Finds and deletes them, in a namespace each time that its gateways are others.

    ``namespaces`` are those that the operator serves by name: these are looked at from the start, the others once they
    have a gateway.
    """

    def __init__(self, api: Api, writer: Writer, logger: Logger, namespaces: Sequence[str]) -> None:
        self._api, self._writer, self._logger, self._namespaces = api, writer, logger, namespaces
        self._looked_at: dict[str, Gateways] = {}

    def places(self, world: World) -> dict[str, Gateways]:
        """The namespaces to look at, with the gateways that they have now."""
        found: dict[str, set[tuple[str, str]]] = defaultdict(set)
        for (namespace, name), gateway in world.gateways.items():
            found[namespace].add((name, gateway.owner.uid))
        every = {*found, *self._looked_at, *self._namespaces}
        now = {namespace: frozenset(found.get(namespace, ())) for namespace in every}
        return {where: gateways for where, gateways in sorted(now.items()) if self._looked_at.get(where) != gateways}

    async def remove(self, world: World) -> int:
        """Delete what was left behind; how many objects. Raises KubeError, once every namespace had its turn."""
        count, failure = 0, None
        for namespace, gateways in self.places(world).items():
            try:
                count += await self._remove(namespace)
            except KubeError as error:
                failure = error
            else:
                self._looked_at[namespace] = gateways
        if failure:
            raise failure
        return count

    async def _remove(self, namespace: str) -> int:
        try:
            listed = [
                one
                for kind in (AUTOSCALER, CONFIG_MAP)
                for one in await self._api.list_metadata(kind, namespace, labels=_LABELS)
            ]
        except Forbidden:  # where nothing may be read, nothing was written
            return 0
        owners: dict[str, Document | None] = {}
        strays = [one for one in listed if await self._is_stray(one, owners)]
        names = sorted({_gateway(one) for one in strays})
        secrets = [one for name in names for one in await self._credentials(namespace, name, owners)]
        indexes = {index_name(name) for name in names}
        strays.sort(key=lambda one: metadata_of(one)["name"] in indexes)  # last: who ends before finds the rest by them
        for one in (*secrets, *strays):
            await self._delete(one)
        return len(secrets) + len(strays)

    async def _is_stray(self, child: Document, owners: dict[str, Document | None]) -> bool:
        """Whether we wrote it for a Deployment that is there, and the gateway of another name or none."""
        references: list[Document] = metadata_of(child).get("ownerReferences") or []
        if not is_marked(child) or len(references) != 1 or references[0]["kind"] != DEPLOYMENT.name:
            return False
        name = references[0]["name"]
        if name not in owners:
            owners[name] = await self._api.find(DEPLOYMENT, metadata_of(child)["namespace"], name)
        owner = metadata_of(owners[name] or {})
        same = owner.get("uid") == references[0]["uid"] and "deletionTimestamp" not in owner
        return same and (owner.get("labels") or {}).get(GATEWAY_LABEL) != _gateway(child)

    async def _credentials(self, namespace: str, name: str, owners: dict[str, Document | None]) -> list[Document]:
        """The Secret of an old name. Roles name Secrets one by one, and may not have this one any more."""
        try:
            found = await self._api.find(SECRET, namespace, credentials_name(name))
        except Forbidden as error:
            self._logger.warning("Secret of a former gateway not deleted", error=str(error))
            return []
        return [found] if found and await self._is_stray(found, owners) else []

    async def _delete(self, child: Document) -> None:
        try:
            await self._writer.delete(child)
        except NotFound:
            return
        except Forbidden as error:
            if child["kind"] != SECRET.name:
                raise
            self._logger.warning("Secret of a former gateway not deleted", error=str(error))


def _gateway(child: Document) -> str:
    name: str = (metadata_of(child).get("labels") or {}).get(GATEWAY_LABEL, "")
    return name
