"""The routing table: a snapshot made ready for requests. Built aside, swapped in one step, never changed.

A request keeps the table that it started with until it ends.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sluice_config import snapshot
from sluice_config.findings import Finding, Level
from sluice_config.resources.model_route import Hedging, RouteTimeouts, Scoring, Strategy
from sluice_gateway.credentials import Credentials
from sluice_gateway.limits.of_route import RouteLimits
from sluice_gateway.providers.listing import Listings
from sluice_gateway.providers.provider import Provider, make_provider
from sluice_gateway.upstream import Timeouts, Upstream

_USUAL_SCORING = Scoring()


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """One place where a route's requests can go. ``model`` None stands for the requested name.

    ``weight`` is its share under the strategy weighted; a lower ``priority`` comes first. ``kind`` is the label for
    metrics: like ``label``, but with ``*`` for the requested name, which callers choose.
    """

    provider: Provider
    model: str | None
    timeouts: Timeouts
    weight: int = 1
    priority: int = 0
    kind: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", self.label("*"))  # read several times a request

    def label(self, requested: str) -> str:
        """``provider/model``, as headers, logs and errors show it."""
        return f"{self.provider.label}/{self.model or requested}"


class Offers:
    """Who of a namespace offers a name, now: what policies declare is looked up; providers that are asked for their
    models, and answer when they like, are looked through at each request.

    ``providers`` stand in the order of their policies' names.
    """

    def __init__(self, providers: Sequence[tuple[Provider, Timeouts]]) -> None:
        self._providers = providers
        self._asked = any(provider.listing is not None for provider, _ in providers)
        self._declared: dict[str, tuple[Target, ...]] = {}
        for provider, timeouts in providers:
            for name in provider.models:
                self._declared[name] = (*self._declared.get(name, ()), Target(provider, name, timeouts))

    def get(self, name: str) -> tuple[Target, ...]:
        """The targets for a name, in order."""
        if not self._asked:
            return self._declared.get(name, ())
        return tuple(
            Target(provider, name if provider.names(name) else None, timeouts)
            for provider, timeouts in self._providers
            if provider.offers(name)
        )

    def names(self) -> set[str]:
        """All names that are offered."""
        return {name for provider, _ in self._providers for name in provider.offered()}


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """One ModelRoute at run time. ``label`` is ``namespace/name``; targets stand in the order of preference.

    ``offers`` (of a route without targets) are those of its namespace's providers. ``allowed_strategies``: what callers
    may choose, None for all. ``sticky``: conversations stay with a target. ``total_seconds``: of a request, all
    targets together; None without a bound of the route's own; ``longest_seconds``: of the slowest target. ``straight``
    belongs to ``routing.plan``: plans that are ready.
    """

    label: str
    models: tuple[str, ...]
    targets: tuple[Target, ...]
    offers: Offers | None
    strategy: Strategy
    max_targets: int
    allowed_strategies: tuple[Strategy, ...] | None = None
    scoring: Scoring = _USUAL_SCORING
    sticky: bool = False
    total_seconds: float | None = None
    longest_seconds: float = 600.0
    limits: RouteLimits | None = None
    hedging: Hedging | None = None
    straight: dict[tuple[str, bool], Any] = field(default_factory=dict)

    def targets_for(self, requested: str) -> tuple[Target, ...]:
        """The targets of a requested name, best first."""
        return self.targets if self.offers is None else self.offers.get(requested)


@dataclass(frozen=True, slots=True)
class Match:
    """A route, and the pattern of it that fits the requested name best."""

    route: Route
    pattern: str


class RoutingTable:
    """All routes of one snapshot.

    ``digest`` identifies the snapshot; ``tag`` is its short form for the x-sluice-config header. ``left_out`` has the
    providers that can't be called as their policies say, and are nobody's target; ``providers`` are all others.
    """

    def __init__(
        self,
        digest: str,
        routes: Mapping[str, Route],
        left_out: Sequence[Finding] = (),
        providers: Sequence[Provider] = (),
    ) -> None:
        self.digest = digest
        self.providers = tuple(providers)
        self.left_out = tuple(left_out)
        self.tag = digest.removeprefix("sha256:")[:12]
        self.routes = tuple(
            sorted({route.label: route for route in routes.values()}.values(), key=lambda route: route.label)
        )
        self._exact: dict[str, Match] = {}
        self._prefixes: dict[str, Match] = {}
        for pattern, route in routes.items():
            wanted = self._prefixes if pattern.endswith("*") else self._exact
            wanted[pattern.removesuffix("*")] = Match(route, pattern)
        self._lengths = sorted({len(prefix) for prefix in self._prefixes}, reverse=True)

    def match(self, requested: str) -> Match | None:
        """The route for a requested name: exact beats the longest prefix beats ``*``. Time grows with the number of
        distinct lengths.
        """
        return self._exact.get(requested) or next(self._by_prefix(requested), None)

    def matches(self, requested: str) -> list[Match]:
        """All patterns that fit, best first."""
        exact = self._exact.get(requested)
        return [*([exact] if exact else ()), *self._by_prefix(requested)]

    def _by_prefix(self, requested: str) -> Iterator[Match]:
        for length in self._lengths:
            if length <= len(requested) and (match := self._prefixes.get(requested[:length])):
                yield match

    def names(self) -> Iterator[tuple[str, Match]]:
        """Every name that can be listed: exact ones that a target serves, and those that providers offer and a pattern
        covers.
        """
        yield from ((name, match) for name, match in sorted(self._exact.items()) if match.route.targets_for(name))
        for match in self._prefixes.values():
            offered = {name for name in _offered(match.route) if name not in self._exact and self.match(name) is match}
            yield from ((name, match) for name in sorted(offered))


def _offered(route: Route) -> Iterator[str]:
    if route.offers is not None:
        yield from route.offers.names()
    for target in route.targets:
        if target.model is None:
            yield from target.provider.offered()


def build_table(
    config: snapshot.Snapshot,
    digest: str,
    credentials: Credentials,
    http: Upstream,
    listings: Listings | None = None,
) -> RoutingTable:
    """Make a snapshot ready: endpoints with their keys, timeouts, indexes. ``http`` reaches all providers but mocks,
    ``listings`` have the models that they have listed so far. No I/O. A provider that can't be called stays out, and
    takes nothing else along.
    """
    providers: dict[tuple[str, str], Provider] = {}
    left_out = []
    for policy in config.providers:
        try:
            provider = make_provider(policy, credentials, http, listings=listings)
        except ValueError as error:  # whose text quotes no secret
            message = f"the provider can't be called as its policy says: {error}"
            left_out.append(Finding(policy.key, "spec", Level.ERROR, "Invalid", message))
        else:
            if provider:
                providers[policy.namespace, policy.name] = provider
    routes: dict[str, Route] = {}
    for spec in config.routes:
        route = _route(spec, providers)
        routes.update(dict.fromkeys(spec.models, route))
    return RoutingTable(digest, routes, left_out, [provider for _, provider in sorted(providers.items(), key=_place)])


def _route(spec: snapshot.Route, providers: Mapping[tuple[str, str], Provider]) -> Route:
    targets = [
        Target(provider, target.model, _tightened(provider.timeouts, spec.timeouts), target.weight, target.priority)
        for target in spec.targets
        if (provider := providers.get((spec.namespace, target.provider)))
    ]
    offering = _offering(spec, providers) if spec.auto else []
    timeouts = [target.timeouts for target in targets] + [one for _, one in offering]
    return Route(
        label=f"{spec.namespace}/{spec.name}",
        models=spec.models,
        targets=tuple(targets),
        offers=Offers(offering) if spec.auto else None,
        strategy=spec.strategy,
        max_targets=spec.fallback.max_targets if spec.fallback.enabled else 1,
        allowed_strategies=spec.allowed_strategies,
        scoring=spec.scoring,
        sticky=spec.stickiness == "conversation",
        total_seconds=spec.timeouts.total_seconds,
        longest_seconds=max((one.total for one in timeouts), default=0.0),
        limits=RouteLimits(str(spec.key), spec.limits) if spec.limits else None,
        hedging=spec.hedging if spec.hedging.enabled else None,
    )


def _offering(spec: snapshot.Route, providers: Mapping[tuple[str, str], Provider]) -> list[tuple[Provider, Timeouts]]:
    return [
        (provider, _tightened(provider.timeouts, spec.timeouts))
        for (namespace, _), provider in sorted(providers.items(), key=_place)
        if namespace == spec.namespace
    ]


def _place(item: tuple[tuple[str, str], Provider]) -> tuple[str, str]:
    return item[0]


def _tightened(provider: Timeouts, route: RouteTimeouts) -> Timeouts:
    """A route's timeouts may only shorten its providers'."""
    if route.first_byte_seconds is None and route.total_seconds is None:
        return provider
    return Timeouts(
        connect=provider.connect,
        first_byte=min(provider.first_byte, route.first_byte_seconds or provider.first_byte),
        idle=provider.idle,
        total=min(provider.total, route.total_seconds or provider.total),
    )
