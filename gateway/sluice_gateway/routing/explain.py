"""What would happen to a request for a model, and why: the pipeline's own decisions, in words."""

from typing import Any

from sluice_gateway.routing.plan import make_plan
from sluice_gateway.routing.table import RoutingTable


def explain(table: RoutingTable, model: str) -> dict[str, Any]:
    """The decision as a document: the route that wins, those that fit less well, each target with its reason."""
    matches = table.matches(model)
    document: dict[str, Any] = {"model": model, "config": table.digest, "route": None, "pattern": None, "targets": []}
    if not matches:
        return document | {"answer": "404 model_not_found", "because": f"no route serves the model {model!r}"}
    match, *others = matches
    plan = make_plan(match, model)
    document |= {
        "route": match.route.label,
        "pattern": match.pattern,
        "strategy": match.route.strategy,
        "alsoMatching": [{"route": other.route.label, "pattern": other.pattern} for other in others],
        "targets": [
            {
                "target": candidate.label,
                "tried": not candidate.left_out,
                "because": candidate.left_out or candidate.reason,
            }
            for candidate in plan.candidates
        ],
    }
    if not plan.to_try():
        return document | {
            "answer": "404 model_not_found",
            "because": "the route has no target that can serve; its findings say why",
        }
    return document | {"answer": f"from {plan.to_try()[0].label}", "because": _why(match.pattern)}


def _why(pattern: str) -> str:
    if pattern == "*":
        return "no exact name and no prefix fits, and * takes the rest"
    return "the longest prefix that fits" if pattern.endswith("*") else "the exact name"
