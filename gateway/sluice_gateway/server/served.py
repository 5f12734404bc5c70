"""Which routes lead to which targets: one routing table, looked up from its providers' side."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from sluice_gateway.providers.provider import Provider
from sluice_gateway.routing.table import Route, RoutingTable, Target


class Served:
    """What is served by ``table``. Providers are named by ``namespace/name``, routes by their labels.

    Made once a table, in one pass; then nothing takes a time that grows with the number of routes but what it lists.
    """

    def __init__(self, table: RoutingTable) -> None:
        self.table = table
        self.providers: dict[str, Provider] = {provider.resource: provider for provider in table.providers}
        self._routes: dict[str, list[str]] = {}
        self._models: dict[str, dict[str, list[str]]] = {}
        self._passing: dict[str, list[tuple[str, ...]]] = {}  # names that targets pass on
        self._wanted: dict[tuple[str, str], list[str]] = {}  # routes that ask who offers a name,
        self._prefixes: dict[str, list[tuple[str, str]]] = {}  # or names with a prefix
        for route in table.routes:
            for target in route.targets:
                self._add(route, target.provider.resource, target.model)
            if route.offers is not None:
                self._add_asking(route.label, route.models)

    def _add(self, route: Route, provider: str, model: str | None) -> None:
        self._routes.setdefault(provider, []).append(route.label)
        if model is not None:
            self._models.setdefault(provider, {}).setdefault(model, []).append(route.label)
        else:
            self._passing.setdefault(provider, []).append(route.models)

    def _add_asking(self, route: str, names: Iterable[str]) -> None:
        home = _namespace(route)
        for name in names:
            if name.endswith("*"):
                self._prefixes.setdefault(home, []).append((name[:-1], route))
            else:
                self._wanted.setdefault((home, name), []).append(route)

    def routes_of(self, provider: str) -> list[str]:
        """The routes that may ask a provider, in order."""
        return sorted({*self._routes.get(provider, ()), *self._asking(provider)})

    def routes_to(self, provider: str, model: str) -> list[str]:
        """The routes that may ask a provider for a model of its own, in order."""
        found = set(self._models.get(provider, {}).get(model, ()))
        match = self.table.match(model)  # for targets that pass the requested name on
        if match is not None and any(_passes(target, provider, model) for target in match.route.targets_for(model)):
            found.add(match.route.label)
        return sorted(found)

    def named_models(self, provider: str) -> set[str]:
        """The models of a provider that targets name, or that routes do whose targets pass the name on."""
        passed = (name for name in self._passed(provider) if not name.endswith("*"))
        return {*self._models.get(provider, ()), *passed}

    def models_of(self, provider: str) -> set[str]:
        """All models of a provider that are known by name: also those that it offers, where a route would ask for one
        without naming it.
        """
        found = self.named_models(provider)
        if provider in self.providers and (provider in self._passing or self._asking(provider)):
            found |= self.providers[provider].offered()
        return found

    def takes_any_model(self, provider: str) -> bool:
        """Whether callers choose the names of some of its models."""
        return any(name.endswith("*") for name in self._passed(provider))

    def _passed(self, provider: str) -> Iterator[str]:
        return chain.from_iterable(self._passing.get(provider, ()))

    def _asking(self, provider: str) -> set[str]:
        """The routes without targets that ask a provider: those of its namespace that serve a name which it offers."""
        known, home = self.providers.get(provider), _namespace(provider)
        offered = known.offered() if known is not None else set()
        found = {route for name in offered for route in self._wanted.get((home, name), ())}
        for prefix, route in self._prefixes.get(home, ()):
            if any(name.startswith(prefix) for name in offered):
                found.add(route)
        return found


def _passes(target: Target, provider: str, model: str) -> bool:
    return target.provider.resource == provider and target.model in (None, model)


def _namespace(label: str) -> str:
    return label.partition("/")[0]


class Serving:
    """What is served now; ``table`` gives the table of this moment, None before there is any."""

    def __init__(self, table: Callable[[], RoutingTable | None]) -> None:
        self._table = table
        self._served: Served | None = None

    def now(self) -> Served | None:
        """Made anew when the table has changed since it was last asked for."""
        table = self._table()
        if table is None:
            return None
        if self._served is None or self._served.table is not table:
            self._served = Served(table)
        return self._served
