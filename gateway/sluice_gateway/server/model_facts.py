"""What /v1/models says of one name: OpenAI's fields, and true facts of the target that would be asked first.

What is not known is null, and a price that is not known is "unknown": zero would be a claim.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

from sluice_config.resources.provider_policy import Pricing
from sluice_gateway.routing.table import Match, Target
from sluice_gateway.telemetry.target_figures import Seen

UNKNOWN = "unknown"

Availability = Literal["available", "unavailable"]
Figures = Callable[[str, str], Seen | None]
"""What was seen of a target: by the provider's ``namespace/name``, and its name of the model."""


def described(name: str, match: Match, figures: Figures) -> dict[str, Any]:
    """One name that a route serves. ``created`` is unknown, and OpenAI's clients want a number."""
    targets = match.route.targets_for(name)
    first = targets[0]
    model = first.provider.described(first.model or name)
    seen = [figures(target.provider.resource, target.model or name) for target in targets]
    availability = _availability(name, targets, seen)
    known = seen[0]
    return {
        "id": name,
        "object": "model",
        "created": 0,
        "owned_by": match.route.label,
        "display_name": model.display_name if model else None,
        "description": model.description if model else None,
        "provider": first.provider.vendor,
        "capabilities": list(model.capabilities) or None if model else None,
        "context_window": model.context_window if model else None,
        "max_output_tokens": model.max_output_tokens if model else None,
        "pricing": _pricing(model.pricing if model else None),
        "average_latency_ms": known.average_latency_ms if known else None,
        "success_rate": known.success_rate if known else None,
        "availability": availability,
        "health": known.health if known else None,
        "loaded": _loaded(first, name),
        "recommended": _recommended(match, known, availability),
    }


def _pricing(pricing: Pricing | None) -> dict[str, str]:
    """US dollars per million tokens. Reasoning is priced as output where nothing else is said."""
    said = pricing or Pricing()
    return {
        "currency": "USD",
        "input_per_million": said.input_per_million or UNKNOWN,
        "output_per_million": said.output_per_million or UNKNOWN,
        "cached_input_per_million": said.cached_input_per_million or UNKNOWN,
        "cache_write_per_million": said.cache_write_per_million or UNKNOWN,
        "reasoning_per_million": said.reasoning_per_million or said.output_per_million or UNKNOWN,
    }


def _availability(name: str, targets: Sequence[Target], seen: Sequence[Seen | None]) -> Availability | None:
    """Whether any target can serve: whose provider lists the model, and which does not fail; or of which nothing is
    known while others can't. None when nothing is known of any.
    """
    verdicts = [_can_serve(target, name, one) for target, one in zip(targets, seen, strict=True)]
    if all(verdict is None for verdict in verdicts):
        return None
    return "unavailable" if all(verdict is False for verdict in verdicts) else "available"


def _can_serve(target: Target, name: str, seen: Seen | None) -> bool | None:
    listing, model = target.provider.listing, target.model or name
    if listing is not None and listing.lacks(model):
        return False
    if seen is not None:
        return seen.health != "unhealthy"
    return True if listing is not None and listing.find(model) else None


def _loaded(target: Target, name: str) -> bool | None:
    """Whether a local server has the model in memory, where it says so."""
    listing = target.provider.listing
    found = listing.find(target.model or name) if listing is not None else None
    return found.loaded if found is not None else None


def _recommended(match: Match, first: Seen | None, availability: Availability | None) -> bool:
    """A name that a route lists as it is was chosen by somebody; one that a pattern covers was only let through."""
    exact = not match.pattern.endswith("*")
    return exact and availability != "unavailable" and (first is None or first.health != "unhealthy")
