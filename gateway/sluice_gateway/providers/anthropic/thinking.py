"""How long a model thinks: OpenAI's efforts and token budgets as Anthropic's ``thinking`` and ``output_config.effort``
(Claude docs, "Thinking", "Effort").

Models that decide for themselves (adaptive) are told the effort, and asked for a summary of their thoughts. Those that
want a budget get one of ours: no page of the provider's says what an effort is in tokens. A budget counts towards
``max_tokens`` and must stay below it.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from sluice_gateway.errors import CallerError, ParameterOutOfRange, UnsupportedParameter
from sluice_gateway.normal.requests import ChatRequest, Reasoning
from sluice_gateway.providers.adapter import Facts
from sluice_gateway.providers.anthropic.models import Generation

LEAST_BUDGET = 1024  # API reference, ThinkingConfigEnabled

# Least first. From 32,000 on, Anthropic advises batches ("Extended thinking", on large budgets).
_BUDGETS: Mapping[str, int] = {"minimal": 1024, "low": 4096, "medium": 10_000, "high": 16_000, "xhigh": 31_999}
_USUAL = "medium"


class Thinking(NamedTuple):
    """Members of the body. ``config`` is ``thinking``, None to leave it out; ``effort`` that of ``output_config``."""

    config: dict[str, Any] | None = None
    effort: str | None = None

    @property
    def on(self) -> bool:
        """Whether the request asks the model to think."""
        return self.config is not None and self.config["type"] in ("adaptive", "enabled")


def thinking_of(
    request: ChatRequest, facts: Facts, generation: Generation, *, max_tokens: int, may_think: bool
) -> Thinking:
    """What becomes of the wish for reasoning. Raises CallerError under the policy strict.

    ``may_think``: whether the conversation is one that a model with a budget would think on.
    """
    wish = request.reasoning
    if wish is None:
        return Thinking()
    if wish.effort == "none" or wish.budget == 0:
        return _off(request, facts, generation)
    if generation.adaptive and not (generation.budgets and _is_exact(wish)):
        return Thinking(_adaptive(generation), _effort(wish, request, facts, generation))
    if not may_think:
        return Thinking()
    budget = _budget(wish, request, facts, max_tokens)
    effort = _effort(wish, request, facts, generation) if wish.effort and generation.efforts else None
    return Thinking({"type": "enabled", "budget_tokens": budget} if budget else None, effort)


def off_for_forced_tools(generation: Generation) -> dict[str, Any] | None:
    """``thinking`` for a request that forces a tool on a model that thinks by itself: the two exclude each other."""
    return {"type": generation.off} if generation.off else None


def _off(request: ChatRequest, facts: Facts, generation: Generation) -> Thinking:
    if generation.off is not None:
        return Thinking(off_for_forced_tools(generation))
    if facts.policy == "strict":
        raise UnsupportedParameter(f"{facts.model} can't do without thinking", param=request.named("reasoning"))
    return Thinking(effort=generation.efforts[0] if facts.policy == "clamp" else None)


def _adaptive(generation: Generation) -> dict[str, Any]:
    return {"type": "adaptive", "display": "summarized"} if generation.summarizes else {"type": "adaptive"}


def _is_exact(wish: Reasoning) -> bool:
    return wish.budget is not None and wish.budget > 0


def _effort(wish: Reasoning, request: ChatRequest, facts: Facts, generation: Generation) -> str | None:
    """The model's own word for an effort; the least that is at least as much where it has fewer words."""
    said = wish.effort
    if said is None:
        return None if wish.budget is None or wish.budget < 0 else _effort_of(wish.budget, generation)
    if said in generation.efforts:
        return said
    if said == "minimal":
        return generation.efforts[0]
    if said == "xhigh":
        return generation.efforts[-1]
    _refuse_unknown(said, request, facts)
    return None


def _effort_of(budget: int, generation: Generation) -> str:
    named = next((effort for effort, tokens in _BUDGETS.items() if effort != "minimal" and budget <= tokens), "xhigh")
    return named if named in generation.efforts else generation.efforts[-1]


def _budget(wish: Reasoning, request: ChatRequest, facts: Facts, max_tokens: int) -> int | None:
    """Tokens to think with; None for no thinking, where the policy allows that."""
    if wish.budget is not None and wish.budget > 0:
        if LEAST_BUDGET <= wish.budget < max_tokens:
            return wish.budget
        name = request.named("reasoning")
        said = f"{name} must be from {LEAST_BUDGET} tokens to less than the {max_tokens} of the answer"
        return _fitted(wish.budget, facts, max_tokens, ParameterOutOfRange(f"{said} for {facts.model}", param=name))
    effort = wish.effort or _USUAL
    wanted = _BUDGETS.get("xhigh" if effort == "max" else effort)
    if wanted is None:
        _refuse_unknown(effort, request, facts)
        return None
    if wanted < max_tokens:
        return wanted
    name = request.named("max_tokens")
    said = f"{name} must be more than {LEAST_BUDGET}, or {facts.model} has no room to think"
    if max_tokens > LEAST_BUDGET:
        return max(LEAST_BUDGET, max_tokens // 2)
    return _fitted(wanted, facts, max_tokens, ParameterOutOfRange(said, param=name))


def _fitted(budget: int, facts: Facts, max_tokens: int, refusal: CallerError) -> int | None:
    if facts.policy == "strict":
        raise refusal
    if facts.policy == "drop" or max_tokens <= LEAST_BUDGET:
        return None
    return min(max(budget, LEAST_BUDGET), max_tokens - 1)


def _refuse_unknown(effort: str, request: ChatRequest, facts: Facts) -> None:
    if facts.policy == "strict":
        name = request.named("reasoning")
        raise UnsupportedParameter(f"{facts.model} knows no {name} {effort[:64]!r}", param=name)
