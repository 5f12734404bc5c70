"""The order in which a request tries its targets, and why: a pure function, shown by ``sluice explain`` and done by the
pipeline.
"""

from typing import NamedTuple

from sluice_gateway.routing.table import Match, Target


class Candidate(NamedTuple):
    """One target of the plan. ``reason`` says why it stands where it does, or why it is left out."""

    target: Target
    model: str
    label: str
    reason: str
    left_out: bool = False


class Plan(NamedTuple):
    """All candidates that were considered; those that will be tried come first, in their order."""

    candidates: tuple[Candidate, ...]

    def to_try(self) -> list[Candidate]:
        """The candidates that will be tried, one after the other until one serves."""
        return [candidate for candidate in self.candidates if not candidate.left_out]


def make_plan(match: Match, requested: str) -> Plan:
    """Order the targets of ``match`` for a requested name. Strategy ``priority``: as the route lists them."""
    most = match.route.max_targets
    candidates = []
    for place, target in enumerate(match.route.targets_for(requested)):
        left_out = place >= most
        if place == 0:
            reason = "first by priority and order"
        elif left_out:
            reason = "fallback is off" if most == 1 else f"beyond fallback.maxTargets = {most}"
        else:
            reason = "tried when those above fail before their first byte"
        candidates.append(Candidate(target, target.model or requested, target.label(requested), reason, left_out))
    return Plan(tuple(candidates))
