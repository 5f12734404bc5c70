"""What would happen to a request, and why: the pipeline's own decisions, as a document. The command ``sluice explain``
and ``POST /admin/explain`` show it, and the log of requests at level debug shows the part that is the plan.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from sluice_gateway.calls import Call
from sluice_gateway.errors import GatewayError, ModelNotFound
from sluice_gateway.routing.needs import Needs
from sluice_gateway.routing.plan import Candidate, Plan
from sluice_gateway.routing.strategies import chosen_strategy
from sluice_gateway.routing.table import Match, RoutingTable


class Planned(NamedTuple):
    """A plan, the route that it is for, and what the request needs."""

    match: Match
    plan: Plan
    needs: Needs


Make = Callable[[Match, Call, str], Planned]
"""Makes the plan of a call by a strategy, with what is known of targets where it is made."""


def explain(table: RoutingTable, call: Call, asked: str, make: Make) -> dict[str, Any]:
    """The decision: the route that wins, those that fit less well, what is needed, and each target with its score and
    reason. ``asked`` is the header x-routing-strategy, "" without.
    """
    document: dict[str, Any] = {
        "model": call.model,
        "config": table.digest,
        "route": None,
        "pattern": None,
        "targets": [],
    }
    matches = table.matches(call.model)
    if not matches:
        return document | _refused(ModelNotFound.for_route(call.model))
    match, *others = matches
    document |= {
        "route": match.route.label,
        "pattern": match.pattern,
        "alsoMatching": [{"route": other.route.label, "pattern": other.pattern} for other in others],
    }
    try:
        planned = make(match, call, chosen_strategy(match.route, asked))
    except GatewayError as error:
        return document | _refused(error)
    return document | described(planned) | _answer(planned)


def described(planned: Planned) -> dict[str, Any]:
    """A plan: its strategy, what was decided for all targets, and each of them."""
    plan, needs = planned.plan, planned.needs
    return {
        "strategy": plan.strategy,
        "needs": {
            "capabilities": list(needs.capabilities()),
            "stream": needs.stream,
            "promptTokens": needs.prompt_tokens,
            "maxOutputTokens": needs.max_output,
            "likelyOutputTokens": needs.likely_output,
        },
        "notes": list(plan.notes),
        "targets": [_target(candidate) for candidate in plan.candidates],
    }


def _target(candidate: Candidate) -> dict[str, Any]:
    score, reason = candidate.score, candidate.reason
    return {
        "target": candidate.label,
        "tried": not candidate.left_out,
        "score": None if score is None else round(score, 3),
        "because": "; ".join(filter(None, (candidate.left_out, reason))),
        "full": candidate.full,
        "waitSeconds": round(candidate.wait, 1),
    }


def _answer(planned: Planned) -> dict[str, Any]:
    match, plan, _ = planned
    if plan.unable is not None:
        return _refused(plan.unable)
    if not plan.candidates:
        return {
            "answer": "404 model_not_found",
            "because": "the route has no target that can serve; its findings say why",
        }
    for candidate in plan.candidates:
        if not candidate.left_out:
            return {"answer": f"from {candidate.label}", "because": _why(match.pattern)}
    return {"answer": "503 all_providers_failed", "because": "no target can be asked now"}


def _refused(error: GatewayError) -> dict[str, Any]:
    return {"answer": f"{error.status} {error.code}", "because": error.message}


def _why(pattern: str) -> str:
    if pattern == "*":
        return "no exact name and no prefix fits, and * takes the rest"
    return "the longest prefix that fits" if pattern.endswith("*") else "the exact name"
