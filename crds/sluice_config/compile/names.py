"""Names that routes claim: who wins which, and which models they cover."""

from collections.abc import Iterable

from sluice_config.resources.base import ResourceKey
from sluice_config.resources.model_route import ModelRoute

Winners = dict[str, ResourceKey]
"""Pattern -> the route that has it."""


def winners(routes: Iterable[ModelRoute], *, by_age: bool) -> Winners:
    """Per pattern: the oldest route, then the first by namespace and name. Without `by_age`, the latter alone.

    A route without a creationTimestamp is younger than all that have one.
    """

    def rank(route: ModelRoute) -> tuple[bool, str, ResourceKey]:
        created = route.metadata.creation_timestamp if by_age else None
        return (created is None, created or "", route.key)

    won: Winners = {}
    for route in sorted(routes, key=rank):
        for pattern in route.spec.models:
            won.setdefault(pattern, route.key)
    return won


def covers(pattern: str, name: str) -> bool:
    """Whether a pattern (exact, `prefix*` or `*`) fits a model's name."""
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
