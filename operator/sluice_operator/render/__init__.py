"""All that is written for a gateway, from values alone, in the order to write it.

A reader of the index finds, between any two writes and after a crash at any point, every shard that the index names and
every credential that these refer to. Hence the order: shards into free slots, credentials, the index, and only then
what nothing refers to any more is removed from the credentials.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sluice_config.resources import ModelRoute
from sluice_config.shards import Index
from sluice_operator.render.autoscaler import autoscaler, merged
from sluice_operator.render.changes import Live, ObjectKey, changes, foreign, is_changed, key_of, obsolete, strange
from sluice_operator.render.configuration import (
    Configuration,
    Values,
    configure,
    index_object,
    read_index,
    shard_objects,
)
from sluice_operator.render.credentials import render_credentials
from sluice_operator.render.gateway import GatewayObject, Object

__all__ = [
    "Configuration",
    "GatewayObject",
    "Live",
    "Object",
    "ObjectKey",
    "Rendered",
    "Values",
    "changes",
    "configure",
    "foreign",
    "is_changed",
    "key_of",
    "obsolete",
    "read_index",
    "render",
    "strange",
]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A gateway's children in the order to write them, and the index among them."""

    children: tuple[Object, ...]
    index: Index

    def __repr__(self) -> str:
        return f"Rendered({self.index.digest}, {self.index.credentials_revision})"


def render(
    gateway: GatewayObject,
    configuration: Configuration,
    routes: Iterable[ModelRoute],
    *,
    previous: Index | None,
    live_credentials: Object | None,
    new_revision: Callable[[], str],
) -> Rendered:
    """The children of a gateway.

    Args:
        gateway: the Deployment that owns them.
        configuration: what the gateway is to run, configured with the same previous index.
        routes: those that the configuration was made of, for what they ask of the autoscaler.
        previous: the index that is there (read_index).
        live_credentials: the Secret that is there.
        new_revision: 16 random hexadecimal digits (secrets.token_hex(8)).
    """
    parts = configuration.split
    flips = previous is not None and previous.digest != parts.index.digest
    credentials = render_credentials(
        gateway, configuration.values, live_credentials, flips=flips, new_revision=new_revision
    )
    index = parts.index.model_copy(update={"credentials_revision": credentials.revision})
    served = {route.key for route in configuration.compiled.snapshot.routes}
    scaler = autoscaler(gateway, merged(route for route in routes if route.key in served))
    children = [*shard_objects(gateway, parts), credentials.before, scaler, index_object(gateway, index)]
    children.append(credentials.after)
    return Rendered(tuple(child for child in children if child is not None), index)
