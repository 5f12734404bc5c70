"""What Anthropic's models differ in, as data: how they think, and what they no longer take.

Sources: Claude docs, "Thinking", "Effort", "Models overview" and the models' "What's new" and migration pages, as of
November 2026, and the SDK's type ``ThinkingTypes``. A newer model of a known family is taken for the family's newest
one; a name that is no Claude's (another vendor who speaks the shape) for one of those that the shape began with.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

_NAME = re.compile(
    r"claude-(?:(\d)(?:[.-](\d))?-)?(opus|sonnet|haiku|fable|mythos)(?:-(\d{1,2})(?!\d)(?:[.-](\d{1,2})(?!\d))?)?"
)
_NEWEST = (99, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """What models of one generation take.

    ``adaptive``: thinking.type adaptive, with ``efforts`` as the words of output_config.effort, least first;
    ``budgets``: thinking.type enabled, with budget_tokens. ``off`` is the thinking.type that turns thinking off, ""
    where it is off unless asked for, None where it can't be. ``summarizes``: whether thinking.display must be asked for
    to see any words. ``samples``: takes temperature, top_p and top_k. ``forces_tools``: takes tool_choice any and tool.
    ``one_sampler``: temperature and top_p exclude each other. ``system_turns``: takes system messages within the
    conversation ("Mid-conversation system messages").
    """

    adaptive: bool = True
    budgets: bool = False
    efforts: tuple[str, ...] = ("low", "medium", "high", "xhigh", "max")
    off: str | None = ""
    summarizes: bool = True
    samples: bool = False
    forces_tools: bool = True
    one_sampler: bool = True
    system_turns: bool = False


_FIRST = Generation(adaptive=False, budgets=True, efforts=(), summarizes=False, samples=True, one_sampler=False)
_ONE_SAMPLER = Generation(adaptive=False, budgets=True, efforts=(), summarizes=False, samples=True)
_BOTH = Generation(budgets=True, efforts=("low", "medium", "high", "max"), summarizes=False, samples=True)
_ADAPTIVE = Generation()
_LISTENS = Generation(system_turns=True)
_THINKS = Generation(off="disabled", system_turns=True)
_ALWAYS_THINKS = Generation(off=None, system_turns=True)
_NEVER_FORCED = Generation(off=None, forces_tools=False, system_turns=True)

# By family: from which version on. "What's new in Claude Opus 5.5" names those that take no forced tools.
_GENERATIONS: Mapping[str, tuple[tuple[tuple[int, int], Generation], ...]] = {
    "opus": (
        ((0, 0), _FIRST),
        ((4, 1), _ONE_SAMPLER),
        ((4, 6), _BOTH),
        ((4, 7), _ADAPTIVE),
        ((4, 8), _LISTENS),
        ((5, 0), _THINKS),
        ((5, 5), _NEVER_FORCED),
    ),
    "sonnet": (
        ((0, 0), _FIRST),
        ((4, 5), _ONE_SAMPLER),
        ((4, 6), _BOTH),
        ((5, 0), Generation(off="disabled")),
        ((5, 5), Generation(off="between_tools", forces_tools=False, system_turns=True)),
    ),
    "haiku": (((0, 0), _FIRST), ((4, 5), _ONE_SAMPLER), ((5, 0), _THINKS)),
    "fable": (((0, 0), _ALWAYS_THINKS), ((5, 1), _NEVER_FORCED)),
    "mythos": (((0, 0), _ALWAYS_THINKS), ((5, 1), _NEVER_FORCED)),
}


@lru_cache(maxsize=256)
def generation_of(model: str) -> Generation:
    """The generation of a model by its name, with or without a date, a cloud's prefix or a route's."""
    found = _NAME.search(model.lower())
    if found is None:
        return _FIRST
    major, minor, family, later_major, later_minor = found.groups()
    major, minor = major or later_major, minor or later_minor
    version = (int(major), int(minor or 0)) if major else _NEWEST
    return next(generation for since, generation in reversed(_GENERATIONS[family]) if since <= version)
