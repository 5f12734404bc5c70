"""How targets are ordered for a request: each strategy is a pure function from options to an order, with a score (0 to
1, higher is better) and a reason for each.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import NamedTuple, get_args

from sluice_config.resources.model_route import Scoring, Strategy
from sluice_gateway.calls import Call
from sluice_gateway.errors import StrategyNotAllowed
from sluice_gateway.providers.provider import Traits
from sluice_gateway.routing import scores
from sluice_gateway.routing.classes import GENERAL, Class, classify
from sluice_gateway.routing.needs import Needs
from sluice_gateway.routing.preferences import Preference
from sluice_gateway.routing.standing import Expect, Standing
from sluice_gateway.routing.table import Route, Target

STRATEGIES: tuple[str, ...] = get_args(Strategy)
PEERS = 0.1
"""Scores that are at most so much lower are about as good."""
BY_PRIORITY = "by priority and order"

_SCORE, _TIER = attrgetter("score"), attrgetter("tier")
_LEAST_CHANCE = 5e-324  # the smallest number above 0, which has no logarithm


class Option(NamedTuple):
    """One target that may be chosen. ``rank`` is 0 when it can be asked now, else how far behind the others it goes."""

    target: Target
    model: str
    label: str
    traits: Traits
    rank: int = 0
    standing: Standing = Standing()


class Facts(NamedTuple):
    """What strategies know beside the options. ``chance`` gives numbers from 0 to 1; ``turn`` counts requests. Without
    ``words``, reasons that cost time to write down are "": nobody reads them.
    """

    needs: Needs
    expect: Expect
    chance: Callable[[], float]
    turn: int
    scoring: Scoring
    preference: Preference | None = None
    call: Call | None = None
    words: bool = True


class Ranked(NamedTuple):
    """An option in its place. Lower tiers come first, whatever the scores."""

    option: Option
    score: float | None
    reason: str
    tier: int = 0


class Order(NamedTuple):
    """Options, best first.

    Those of one tier whose scores are at most ``margin`` apart are about as good; ``shares``: their targets' weights
    say how often each should be chosen. ``explores``: it rests on times, which are only known of targets that are asked
    now and then. ``notes``: what was decided for all of them.
    """

    ranked: list[Ranked]
    margin: float = PEERS
    shares: bool = False
    explores: bool = False
    notes: tuple[str, ...] = ()


Ordering = Callable[[Sequence[Option], Facts], Order]


def chosen_strategy(route: Route, asked: str) -> str:
    """The strategy that a request asks for in ``x-routing-strategy``, or the route's own when that is empty. Raises
    StrategyNotAllowed.
    """
    asked = asked.strip()
    if not asked:
        return route.strategy
    allowed = STRATEGIES if route.allowed_strategies is None else route.allowed_strategies
    if asked in allowed:
        return asked
    choices = f"allowed are {', '.join(allowed)}" if allowed else "callers may choose none"
    raise StrategyNotAllowed(f"x-routing-strategy: route {route.label} does not allow {asked[:64]!r}; {choices}")


def by_priority(options: Sequence[Option], _facts: Facts) -> Order:
    """By ``priority``, then as listed."""
    return Order([Ranked(one, None, BY_PRIORITY, tier) for tier, one in enumerate(options)])


def by_weight(options: Sequence[Option], facts: Facts) -> Order:
    """By chance, in proportion to ``weight``, within each priority; a weight of 0 only after all others of it.

    Weighted random order without replacement: each draws u ** (1 / weight), u from 0 to 1, and the largest comes first
    (Efraimidis and Spirakis, Information Processing Letters 97, 2006); here in logarithms.
    """
    totals: dict[int, int] = {}
    drawn = []
    for one in options:
        weight, priority = one.target.weight, one.target.priority
        totals[priority] = totals.get(priority, 0) + weight
        least = -math.log(facts.chance() or _LEAST_CHANCE) / weight if weight else 0.0
        drawn.append(((priority, not weight, least), one))
    drawn.sort(key=itemgetter(0))
    return Order([_share(one, totals[one.target.priority]) for _, one in drawn], margin=1.0, shares=True)


def _share(one: Option, total: int) -> Ranked:
    weight, tier = one.target.weight, 2 * one.target.priority
    if not weight:
        return Ranked(one, 0.0, "weight 0: only when others fail", tier + 1)
    return Ranked(one, weight / total, f"drawn by its weight, {weight} of {total}", tier)


def by_turn(options: Sequence[Option], facts: Facts) -> Order:
    """In turn, within each priority: among those that can be asked now, and among the others."""
    groups: dict[tuple[int, int], list[Option]] = {}
    for one in options:
        groups.setdefault((one.target.priority, one.rank), []).append(one)
    ranked = []
    for (priority, _), group in sorted(groups.items()):
        first = facts.turn % len(group)
        reason = f"turn {first + 1} of {len(group)}"
        ranked += [Ranked(one, None, reason, priority) for one in group[first:] + group[:first]]
    return Order(ranked)


def by_cost(options: Sequence[Option], facts: Facts) -> Order:
    """By the dollars that the request is expected to cost; unknown prices after all known ones."""
    costs = [scores.dollars(one.traits, facts.needs) for one in options]
    cheapest = min((cost for cost in costs if cost is not None), default=0.0)
    return _scored(
        [
            Ranked(
                one,
                scores.cheapness(cost, cheapest),
                "its price is unknown" if cost is None else f"about ${cost:.6f}" if facts.words else "",
                int(cost is None),
            )
            for one, cost in zip(options, costs, strict=True)
        ]
    )


def by_latency(options: Sequence[Option], facts: Facts) -> Order:
    """By the time to the first byte, of what streams; else to the whole answer."""
    what = "first byte" if facts.needs.stream else "answer"
    seen = [facts.expect(one.target, one.model) for one in options]
    waits = [scores.wait(expected, facts.needs) for expected in seen]
    fastest = min(waits, default=0.0)
    return _scored(
        [
            Ranked(
                one,
                scores.speed(seconds, fastest),
                f"{what} in about {seconds:.3f} s{_basis(expected.seen)}" if facts.words else "",
            )
            for one, seconds, expected in zip(options, waits, seen, strict=True)
        ],
        explores=True,
    )


def by_performance(options: Sequence[Option], facts: Facts) -> Order:
    """By the time to the whole of the expected answer, and the share of attempts that succeed."""
    tokens = facts.needs.likely_output
    seen = [facts.expect(one.target, one.model) for one in options]
    times = [scores.until_done(expected, facts.needs) for expected in seen]
    fastest = min(times, default=0.0)
    return _scored(
        [
            Ranked(
                one,
                scores.speed(seconds, fastest),
                f"{tokens} tokens in about {seconds:.3f} s, {expected.success:.0%} succeed{_basis(expected.seen)}"
                if facts.words
                else "",
            )
            for one, seconds, expected in zip(options, times, seen, strict=True)
        ],
        explores=True,
    )


def _basis(seen: float) -> str:
    return "" if seen > 0 else " (assumed: not seen yet)"


def by_capability(options: Sequence[Option], facts: Facts) -> Order:
    """By how well each covers what is asked, the room left in its context window, and how much it can do beside."""
    asked, window = facts.needs.capabilities(), facts.needs.window
    return _scored(
        [
            Ranked(
                one,
                scores.capability(one.traits, asked, window),
                f"covers {scores.coverage(one.traits, asked):.0%} of what is asked, "
                f"{scores.headroom(one.traits, window):.0%} of its window left, "
                f"breadth {scores.breadth(one.traits):.0%}",
            )
            for one in options
        ]
    )


def by_quality(options: Sequence[Option], _facts: Facts) -> Order:
    """By the ratings in the policies."""
    return _scored(
        [
            Ranked(one, rating / 100, f"rated {rating}" if one.traits.quality is not None else f"not rated: {rating}")
            for one in options
            for rating in (scores.rating(one.traits),)
        ]
    )


def by_balance(options: Sequence[Option], facts: Facts) -> Order:
    """By a weighted mean of the scores for cost, latency and capability."""
    return _balanced(options, facts, GENERAL)


def by_class(options: Sequence[Option], facts: Facts) -> Order:
    """Balanced, with weights and a quality floor by the class of the request."""
    found, reason = classify(facts.call, facts.needs) if facts.call else (GENERAL, "nothing is known of it")
    note = f"class {found.name}: {reason}"
    return _balanced(options, facts, found)._replace(notes=(note,))


def _balanced(options: Sequence[Option], facts: Facts, found: Class) -> Order:
    scoring, needs, floor = facts.scoring, facts.needs, found.floor
    of_cost, of_latency = scoring.cost * found.cost, scoring.latency * found.latency
    of_capability = scoring.capability * found.capability
    total = of_cost + of_latency + of_capability
    asked = needs.capabilities() + found.asked
    costs = [scores.dollars(one.traits, needs) for one in options]
    waits = [scores.wait(facts.expect(one.target, one.model), needs) for one in options]
    cheapest = min((cost for cost in costs if cost is not None), default=0.0)
    fastest = min(waits, default=0.0)
    ranked = []
    for one, cost, seconds in zip(options, costs, waits, strict=True):
        cheap, fast = scores.cheapness(cost, cheapest), scores.speed(seconds, fastest)
        able = scores.capability(one.traits, asked, needs.window)
        score = (of_cost * cheap + of_latency * fast + of_capability * able) / total
        reason = f"cost {cheap:.2f}, latency {fast:.2f}, capability {able:.2f}" if facts.words else ""
        low = scores.rating(one.traits) < floor
        if low:
            reason += f"; quality {scores.rating(one.traits)} is below {floor}"
        ranked.append(Ranked(one, score, reason, int(low)))
    return _scored(ranked, explores=True)


def by_preference(options: Sequence[Option], facts: Facts) -> Order:
    """What the caller prefers first, then as it likes targets ordered; balanced where no preference is known."""
    preference = facts.preference
    if preference is None:
        return by_balance(options, facts)._replace(notes=("no preference is stored for the caller: balanced",))
    strategy = "balanced" if preference.strategy == "preference" else preference.strategy
    order = ORDERINGS[strategy](options, facts)
    liked = {label: place for place, label in enumerate(preference.targets)}
    most = len(liked)
    ranked = [
        one._replace(tier=liked[label], reason=f"preferred by the caller; {one.reason}")
        if (label := one.option.label) in liked
        else one._replace(tier=most + one.tier)
        for one in order.ranked
    ]
    ranked.sort(key=_TIER)
    return order._replace(ranked=ranked, notes=(f"the caller's preference: {strategy}", *order.notes))


def _scored(ranked: list[Ranked], *, explores: bool = False) -> Order:
    """By tier, then by score; options come in the route's order, which breaks ties."""
    ranked.sort(key=_SCORE, reverse=True)
    ranked.sort(key=_TIER)
    return Order(ranked, PEERS, False, explores)


ORDERINGS: Mapping[str, Ordering] = {
    "priority": by_priority,
    "weighted": by_weight,
    "round-robin": by_turn,
    "cost": by_cost,
    "latency": by_latency,
    "performance": by_performance,
    "capability": by_capability,
    "quality": by_quality,
    "balanced": by_balance,
    "smart": by_class,
    "preference": by_preference,
}
"""Every strategy of ModelRoute.spec.strategy."""
