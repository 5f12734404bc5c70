"""Which objects besides the resources matter to a world: those that it refers to, and those written for it."""

from collections import defaultdict

from sluice_config.published import PLACES, credentials_name, index_name, shard_name
from sluice_operator.gather import World, config_map_refs, secret_refs
from sluice_operator.kube.kinds import AUTOSCALER, CONFIG_MAP, NAMESPACE, SECRET, Kind

Place = tuple[Kind, str | None, str]
"""A kind, the namespace to watch it in (None for objects outside of namespaces), and the one name to watch there, which
needs no right on any other; "" to watch all."""

Interests = dict[Place, frozenset[str] | None]
"""The names that matter by place; None for all names."""


def interests(world: World) -> Interests:
    """What to watch while the world is so."""
    names: dict[Place, set[str]] = defaultdict(set)
    for namespace, name, _ in secret_refs(world.resources):
        names[SECRET, namespace, ""].add(name)
    for namespace, name in config_map_refs(world.resources):
        names[CONFIG_MAP, namespace, ""].add(name)
    for namespace, name in world.gateways:
        names[CONFIG_MAP, namespace, ""] |= {index_name(name), *(shard_name(name, place) for place in PLACES)}
        names[SECRET, namespace, credentials_name(name)].add(credentials_name(name))
        names[AUTOSCALER, namespace, ""].add(name)
    found: Interests = {place: frozenset(wanted) for place, wanted in names.items()}
    if any(isinstance(one.gateway.routes_from, frozenset) for one in world.gateways.values()):
        found[NAMESPACE, None, ""] = None
    return found
