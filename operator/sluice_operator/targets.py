"""What pods report of the targets that they ask, as the condition TargetsHealthy of routes and providers.

A resource has the condition from the first trouble on: of most targets nothing is known, and nothing is said. Once the
trouble has passed it says so, and since when.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from sluice_config.conditions import LONGEST_MESSAGE, Condition
from sluice_config.resources import ResourceKey

TYPE: Final = "TargetsHealthy"
REJECTED: Final = "CredentialsRejected"
UNHEALTHY: Final = "Unhealthy"
BREAKER_OPEN: Final = "BreakerOpen"
NOT_OFFERED: Final = "ModelNotOffered"
WORST_FIRST: Final = (REJECTED, UNHEALTHY, BREAKER_OPEN, NOT_OFFERED)
"""By what it costs to wait: a refused key stops a whole provider until somebody acts; a provider that fails its checks
is stopped too, but may come back; a breaker stops one target, and closes by itself; a model that is not in a list may
be served all the same."""

PACE_SECONDS: Final = 30.0
"""Between two changes of an object's condition, at least."""
_MOST_ROUTES: Final = 5
"""That a message names."""

_PASSED: Final = Condition(TYPE, "True", "Healthy", "the trouble that pods reported has passed")


class Trouble(NamedTuple):
    """What so many pods of one gateway report of a provider, or of one of its models.

    ``provider`` and ``routes``, whom it concerns, are by namespace/name; ``model`` is empty where it is about all of
    them; ``by_hand`` is true of a breaker that somebody has opened; ``note`` is what pods say of the cause.
    """

    reason: str
    provider: str
    model: str = ""
    by_hand: bool = False
    note: str = ""
    routes: tuple[str, ...] = ()
    pods: int = 1

    @property
    def rank(self) -> tuple[int, str, str, bool]:
        """What it is about, the worst first."""
        return WORST_FIRST.index(self.reason), self.provider, self.model, self.by_hand


Troubles = Mapping[ResourceKey, Sequence[Trouble]]


def by_resource(troubles: Iterable[Trouble], known: Container[ResourceKey]) -> Troubles:
    """Each trouble at the provider that it is about, and at each route that it concerns.

    ``known`` are the resources that the gateway serves: its pods have nothing to say of others.
    """
    found: dict[ResourceKey, list[Trouble]] = defaultdict(list)
    for one in troubles:
        provider = ResourceKey("ProviderPolicy", *one.provider.split("/", 1))
        if provider in known:
            routes = [ResourceKey("ModelRoute", *route.split("/", 1)) for route in one.routes]
            served = [route for route in routes if route in known and route.namespace == provider.namespace]
            told = one._replace(routes=tuple(f"{route.namespace}/{route.name}" for route in served))
            for key in (provider, *served):
                found[key].append(told)
    return found


def targets_condition(
    key: ResourceKey, troubles: Iterable[Trouble], pods: int, before: Condition | None
) -> Condition | None:
    """The condition of a resource; None when there is nothing to say.

    ``troubles`` are those of all gateways that use it, and ``pods`` how many of their pods have reported; ``before`` is
    the condition as it is in the API server.
    """
    merged = _merged(troubles)
    if merged:
        texts = "; ".join(_text(one, pods, key) for one in merged)
        text = texts if len(texts) <= LONGEST_MESSAGE else f"{texts[: LONGEST_MESSAGE - 1]}…"
        return Condition(TYPE, "False", merged[0].reason, text)
    return _PASSED if before and pods else None


def standing(status: Mapping[str, Any] | None) -> Condition | None:
    """The condition as a status has it."""
    for found in (status or {}).get("conditions") or ():
        if found.get("type") == TYPE:
            reason, message = found.get("reason", ""), found.get("message", "")
            return Condition(TYPE, "True" if found.get("status") == "True" else "False", reason, message)
    return None


class Pace:
    """When the condition of each object was written last: however often targets come and go, not more often than so.

    Times are seconds that only grow. Another process knows nothing of it: a new leader may write once more.
    """

    def __init__(self) -> None:
        self._written: dict[ResourceKey, float] = {}

    def wrote(self, key: ResourceKey, now: float) -> None:
        """The condition of this object was changed, or may have been."""
        self._written[key] = now

    def held(self, now: float) -> frozenset[ResourceKey]:
        """The objects whose condition must stay as it is."""
        self._written = {key: then for key, then in self._written.items() if now - then < PACE_SECONDS}
        return frozenset(self._written)

    def wait(self, late: Iterable[ResourceKey], now: float) -> float:
        """Seconds until the first of these, which must be held, may be written."""
        return PACE_SECONDS - now + min(self._written[key] for key in late)


def _merged(troubles: Iterable[Trouble]) -> Sequence[Trouble]:
    """One for each thing, the worst first: several gateways may use one provider."""
    found: dict[tuple[int, str, str, bool], Trouble] = {}
    for one in troubles:
        other = found.get(one.rank)
        found[one.rank] = _both(one, other) if other else one
    return [found[rank] for rank in sorted(found)]


def _both(one: Trouble, other: Trouble) -> Trouble:
    routes = tuple(sorted({*other.routes, *one.routes}))
    return one._replace(note=other.note or one.note, routes=routes, pods=other.pods + one.pods)


def _text(one: Trouble, pods: int, key: ResourceKey) -> str:
    return "".join(_phrases(one, f"{one.pods} of {pods} pods", key))


def _phrases(one: Trouble, count: str, key: ResourceKey) -> Iterator[str]:
    """What, how many say so, and what to do. Nothing that counts down: each step of it would be a write."""
    name = one.provider.partition("/")[2]
    provider = "the provider" if key.kind == "ProviderPolicy" else f"ProviderPolicy {name}"
    if one.reason == REJECTED:
        yield f"{provider} has its key refused ({count}): put a valid one into the Secret that spec.credentials names"
    elif one.reason == UNHEALTHY:
        yield f"{provider} fails its health checks ({count}{one.note and f'; {one.note}'}): see that it can be reached"
    elif one.by_hand:
        yield f"target {name}/{one.model} was taken out by hand ({count}): "
        yield "it comes back when the stated time is over, or through the gateway's admin API"
    elif one.reason == BREAKER_OPEN:
        yield f"target {name}/{one.model} has failed too often ({count}): "
        yield "its breaker is open until a probe succeeds; the gateway's log says what failed"
    else:
        asking = f", which {_routes(one.routes)} would ask for" if key.kind == "ProviderPolicy" and one.routes else ""
        yield f"{provider} does not list the model {one.model}{asking} ({count}): see that its name is right"


def _routes(routes: Sequence[str]) -> str:
    return ", ".join([*routes[:_MOST_ROUTES], *(["others"] if len(routes) > _MOST_ROUTES else [])])
