"""How long a Gemini model may think, and which of them want their thoughts back (Gemini API guides: "Thinking",
"Thought signatures", "OpenAI compatibility").

Models up to Gemini 2.5 count thoughts in tokens (thinkingBudget), later ones in levels (thinkingLevel), and Gemini 4
refuses budgets. An effort or a budget becomes what the model knows, by the table of the OpenAI compatibility guide.
"""

import re
from dataclasses import dataclass
from typing import Any

from sluice_gateway.errors import ParameterOutOfRange
from sluice_gateway.normal.requests import ChatRequest, Reasoning
from sluice_gateway.providers.adapter import Facts

_GENERATION = re.compile(r"gemini-(\d*)")
_NEWEST = 99  # of names without a number, such as aliases of the latest model

# Tokens for each effort ("OpenAI compatibility", "Thinking").
_BUDGETS = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}

# Those that know the level "minimal" ("Thinking", "Thinking levels"); all others begin at "low".
_MINIMAL = re.compile(r"gemini-3-flash|gemini-3\.1-flash-lite|gemini-3\.[56]-flash")


@dataclass(frozen=True, slots=True)
class _Range:
    """The budgets that models whose name begins with ``prefix`` take, in tokens; 0 too where they ``may_rest``."""

    prefix: str
    least: int
    most: int
    may_rest: bool


# "Thinking", "Thinking budgets".
_RANGES = (
    _Range("gemini-2.5-pro", 128, 32768, may_rest=False),
    _Range("gemini-2.5-flash-lite", 512, 24576, may_rest=True),
    _Range("gemini-2.5-flash", 1, 24576, may_rest=True),
)


def generation(model: str) -> int:
    """The 2 of gemini-2.5-flash; 0 for other models of Google's."""
    found = _GENERATION.search(model)
    if found is None:
        return 0
    return int(found[1]) if found[1] else _NEWEST


def wants_signatures(model: str) -> bool:
    """Whether a function call in the history must carry the signature of its thought (Gemini 3 and later)."""
    return generation(model) >= 3


def thinking_config(request: ChatRequest, facts: Facts) -> dict[str, Any] | None:
    """The member thinkingConfig; None when the caller has no wish. Raises ParameterOutOfRange under a strict policy."""
    wanted = request.reasoning
    if wanted is None:
        return None
    config: dict[str, Any] = {}
    if wanted.effort is not None or wanted.budget is not None:
        try:
            config = _budget(wanted, facts) if generation(facts.model) < 3 else _level(wanted, facts)
        except _Misfit as misfit:
            if facts.policy == "strict":
                name = request.named("reasoning")
                raise ParameterOutOfRange(f"{name} must be {misfit} for {facts.model}", param=name) from None
            if facts.policy == "drop":
                return None
            config = misfit.nearest
    if config.get("thinkingBudget") == 0:
        return config
    return {**config, "includeThoughts": True}


class _Misfit(Exception):
    """A wish that the model can't fulfil: what it must be, and what comes nearest to it."""

    def __init__(self, must: str, nearest: dict[str, Any]) -> None:
        super().__init__(must)
        self.nearest = nearest


def _budget(wanted: Reasoning, facts: Facts) -> dict[str, Any]:
    tokens = _BUDGETS.get(wanted.effort or "") if wanted.budget is None else wanted.budget
    if tokens is None:
        raise _Misfit(f"one of {', '.join(_BUDGETS)}", {"thinkingBudget": _BUDGETS["high"]})
    model = facts.model.rpartition("/")[2]
    bounds = next((one for one in _RANGES if model.startswith(one.prefix)), None)
    rests = tokens == 0 and bounds is not None and bounds.may_rest
    if bounds is None or rests or tokens == -1 or bounds.least <= tokens <= bounds.most:
        return {"thinkingBudget": tokens}
    nearest = min(max(tokens, bounds.least), bounds.most)
    raise _Misfit(f"from {bounds.least} to {bounds.most} tokens", {"thinkingBudget": nearest})


def _level(wanted: Reasoning, facts: Facts) -> dict[str, Any]:
    if wanted.budget == -1:  # as long as the model likes, which is what it does unasked
        return {}
    lowest = "MINIMAL" if _MINIMAL.search(facts.model) else "LOW"
    levels = {"minimal": lowest, "low": "LOW", "medium": "MEDIUM", "high": "HIGH"}
    if generation(facts.model) > 3:
        levels["xhigh"] = "XHIGH"
    effort = (wanted.effort or "") if wanted.budget is None else _effort(wanted.budget)
    if effort in levels:
        return {"thinkingLevel": levels[effort]}
    nearest = lowest if effort == "none" else levels["high"]
    raise _Misfit(f"one of {', '.join(levels)}", {"thinkingLevel": nearest})


def _effort(budget: int) -> str:
    """The least effort whose tokens cover ``budget``."""
    return next((effort for effort, tokens in _BUDGETS.items() if effort != "minimal" and budget <= tokens), "high")
