"""The order in which a request tries its targets, and why: a pure function, shown by ``sluice explain`` and done by the
pipeline.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from sluice_gateway.calls import Call
from sluice_gateway.errors import UnsupportedParameter
from sluice_gateway.routing.needs import Needs, field_of, lacking
from sluice_gateway.routing.preferences import Preference
from sluice_gateway.routing.standing import WELL, Expect, Look, Standing
from sluice_gateway.routing.stickiness import draw
from sluice_gateway.routing.strategies import BY_PRIORITY, ORDERINGS, Facts, Option, Order, Ranked
from sluice_gateway.routing.table import Match, Route, Target
from sluice_gateway.telemetry.target_figures import HALF_LIFE, PRIOR, Expected


class Candidate(NamedTuple):
    """One target of the plan. ``reason`` says why it stands where it does; ``left_out`` why it is not tried, "" when it
    is.

    ``score``: 0 to 1, None where the strategy has none. ``full``: its provider's limits have no room now; ``closed``:
    it can't be asked; ``unable``: it can't do what is asked; ``stands_well``: nothing is against it but its place.
    ``wait``: seconds until what closes or fills it ends.
    """

    target: Target
    model: str
    label: str
    reason: str
    left_out: str = ""
    score: float | None = None
    full: bool = False
    wait: float = 0.0
    closed: bool = False
    unable: bool = False
    stands_well: bool = False


class Plan(NamedTuple):
    """All candidates that were considered; those that will be tried come first, in their order.

    ``notes`` are what was decided for all of them: the class of a request, a conversation that stays, a target that is
    tried out. ``unable`` is the error when no target can do what is asked; ``tried`` are those to try, where ready.
    """

    candidates: tuple[Candidate, ...]
    strategy: str = "priority"
    notes: tuple[str, ...] = ()
    unable: UnsupportedParameter | None = None
    tried: tuple[Candidate, ...] | None = None

    def to_try(self) -> Sequence[Candidate]:
        """The candidates that will be tried, one after the other until one serves. Raises UnsupportedParameter when
        none can do what is asked.
        """
        if self.tried is not None:
            return self.tried
        if self.unable is not None:
            raise self.unable
        return [candidate for candidate in self.candidates if not candidate.left_out]


EXPLORED = 0.02
"""The share of requests that try a target out, at most."""
IDLE_SECONDS = HALF_LIFE
"""A target that was not asked for so long is tried out: what is known of it counts half."""

NO_NEEDS = Needs()

_MOST_NAMES = 1024  # of which straight plans are kept; callers choose names where a route says "*"
_CLOSED = 3  # the rank of what can't be asked now; 1 and 2 are asked after others, since full, or doubtful


def well(_target: Target, _model: str, _tokens: int) -> Standing:
    """How a target stands of which nothing is known."""
    return WELL


def unknown(_target: Target, _model: str) -> Expected:
    """What is expected of a target that nobody has asked."""
    return PRIOR


def make_plan(
    match: Match,
    requested: str,
    *,
    strategy: str = "priority",
    needs: Needs = NO_NEEDS,
    look: Look = well,
    expect: Expect = unknown,
    chance: Callable[[], float] = lambda: 0.5,
    turn: int = 0,
    conversation: bytes = b"",
    preference: Preference | None = None,
    call: Call | None = None,
    words: bool = True,
) -> Plan:
    """Order the targets of ``match`` for a requested name, by a strategy that ``chosen_strategy`` has allowed.

    ``chance`` gives numbers from 0 to 1; ``turn`` counts the route's requests; ``conversation`` names the one that the
    request belongs to, b"" for none that should stay with its target; ``call`` is for the strategy smart. Without
    ``words``, reasons are left out that cost time to write down.
    """
    if strategy == "priority" and (plan := straight(match, requested, needs, look)):
        return plan
    capabilities = needs.capabilities()
    targets = match.route.targets_for(requested)
    choice = _considered(targets, requested, needs, capabilities, look)
    if not choice.options:
        return Plan(tuple(choice.left_out), strategy, (), _unable(match, choice.left_out, call))
    facts = Facts(needs, expect, chance, turn, match.route.scoring, preference, call, words)
    order = ORDERINGS[strategy](choice.options, facts)
    ranked, notes = order.ranked, order.notes
    if conversation:
        ranked, note = _stay(order, conversation)
        notes += (note,) if note else ()
    if any(map(_rank, ranked)):
        ranked = sorted(ranked, key=_rank)
    if order.explores and not conversation and (found := _unexplored(ranked, facts)):
        ranked.remove(found)
        ranked.insert(0, found)
        notes += (f"{found.option.label} was not asked for long, and is tried out",)
    return Plan((*_lined_up(ranked, match.route.max_targets), *choice.left_out), strategy, notes)


class _Choice(NamedTuple):
    """Who may be chosen, and who is left out already."""

    options: list[Option]
    left_out: list[Candidate]


def straight(match: Match, requested: str, needs: Needs, look: Look) -> Plan | None:
    """The plan for strategy priority when all targets stand well and have room for a request that asks for nothing
    special: most of them. None otherwise.
    """
    if needs.capabilities():
        return None
    route, key = match.route, (requested, needs.embeddings)
    known = route.straight.get(key)
    if known is None:
        known = _prepared(route, requested, embeddings=needs.embeddings)
        if route.offers is None and all(one.provider.listing is None for one in route.targets):
            if len(route.straight) >= _MOST_NAMES:
                route.straight.clear()
            route.straight[key] = known
    plan, window = known
    if plan is None or needs.window > window:
        return None
    tokens = needs.prompt_tokens + needs.max_output
    for one in plan.candidates:
        standing = look(one.target, one.model, tokens)
        if standing is not WELL and standing != WELL:
            return None
    return plan


def _prepared(route: Route, requested: str, *, embeddings: bool) -> tuple[Plan | None, float]:
    """The straight plan for a name, and the longest request for which it holds; None when some target can't do it."""
    candidates: list[Candidate] = []
    longest, most = math.inf, route.max_targets
    for target in route.targets_for(requested):
        provider, model = target.provider, target.model or requested
        traits = provider.traits(model)
        if lacking((), embeddings, traits) or (provider.listing is not None and provider.listing.lacks(model)):
            return None, 0.0
        longest = min(longest, traits.context_window or math.inf)
        left_out = _beyond(most) if len(candidates) >= most else ""
        candidates.append(Candidate(target, model, target.label(requested), BY_PRIORITY, left_out))
    tried = tuple(one for one in candidates if not one.left_out)
    return Plan(tuple(candidates), tried=tried), longest


def _considered(
    targets: Sequence[Target], requested: str, needs: Needs, capabilities: tuple[str, ...], look: Look
) -> _Choice:
    """Sort out who is known to lack what is asked, then who has no room for it."""
    options: list[Option] = []
    left_out: list[Candidate] = []
    tight = False
    tokens = needs.prompt_tokens + needs.max_output
    for target in targets:
        model, label = target.model or requested, target.label(requested)
        traits = target.provider.traits(model)
        if lack := lacking(capabilities, needs.embeddings, traits):
            left_out.append(Candidate(target, model, label, "", f"lacks {lack}", unable=True))
            continue
        standing, listing = look(target, model, tokens), target.provider.listing
        if listing is not None and not standing.doubtful and listing.lacks(model):
            standing = standing._replace(doubtful="its provider does not list the model")
        tight = tight or (traits.context_window or needs.window) < needs.window
        rank = _rank_of(standing) if standing != WELL else 0
        options.append(Option(target, model, label, traits, rank, standing))
    return _roomy(options, left_out, needs.window) if tight else _Choice(options, left_out)


def _rank_of(standing: Standing) -> int:
    if standing.closed:
        return _CLOSED
    return 2 if standing.doubtful else 1 if standing.full else 0


def _roomy(options: list[Option], left_out: list[Candidate], window: int) -> _Choice:
    """Without those whose context window is too small, as long as another that can be asked has room; without any, the
    largest stay: an estimate errs, and refuses nobody.
    """
    largest = max((one.traits.context_window or window for one in options if one.rank != _CLOSED), default=window)
    least, kept = min(window, largest), []
    for one in options:
        size = one.traits.context_window
        if size is None or size >= least or one.rank == _CLOSED:
            kept.append(one)
        else:
            reason = f"its context window of {size} has no room for about {window} tokens"
            left_out.append(Candidate(one.target, one.model, one.label, "", reason, unable=True))
    return _Choice(kept, left_out)


def _unable(match: Match, left_out: Sequence[Candidate], call: Call | None) -> UnsupportedParameter | None:
    if not left_out:
        return None
    lacks = ", ".join(f"{one.label} {one.left_out}" for one in left_out)
    param = field_of(left_out[0].left_out.removeprefix("lacks "), call.shape) if call else None
    return UnsupportedParameter(f"no target of route {match.route.label} can do what is asked: {lacks}", param=param)


def _stay(order: Order, conversation: bytes) -> tuple[list[Ranked], str]:
    """Put those that are about as good as the best into the order that is the conversation's own.

    Who is closed counts among them, and drops out later: so nobody else's conversations move. When none of them can be
    asked, the next best are the best.
    """
    ranked, start = order.ranked, 0
    least = min(map(_rank, ranked))
    while True:
        end = _end_of_peers(order, start)
        peers = ranked[start:end]
        if any(_rank(one) == least for one in peers):
            break
        start = end
    if len(peers) == 1:
        return ranked, ""
    shares = order.shares
    peers.sort(
        key=lambda one: draw(conversation, one.option.label, one.option.target.weight if shares else 1), reverse=True
    )
    first = next(one for one in peers if _rank(one) == least)
    note = f"the conversation stays with {first.option.label}, one of {len(peers)} that are about as good"
    return [*ranked[:start], *peers, *ranked[end:]], note


def _end_of_peers(order: Order, start: int) -> int:
    ranked, first = order.ranked, order.ranked[start]
    best, end = first.score or 0.0, start + 1
    while end < len(ranked) and ranked[end].tier == first.tier:
        if round(best - (ranked[end].score or 0.0), 9) > order.margin:  # rounded: 0.8 - 0.7 is more than 0.1
            break
        end += 1
    return end


def _unexplored(ranked: Sequence[Ranked], facts: Facts) -> Ranked | None:
    """One that could be asked now, but was not for long: at times it goes first, or nothing would be learnt of it."""
    drawn = facts.chance()
    if drawn >= EXPLORED or len(ranked) < 2:
        return None
    first = ranked[0]
    idle = [
        one
        for one in ranked[1:]
        if one.option.rank == first.option.rank == 0
        and one.tier == first.tier
        and facts.expect(one.option.target, one.option.model).idle > IDLE_SECONDS
    ]
    return idle[int(drawn / EXPLORED * len(idle))] if idle else None


def _lined_up(ranked: Sequence[Ranked], most: int) -> Iterator[Candidate]:
    """The candidates: those to try, as many as the route allows, then the others."""
    tried = 0
    later = []
    for (target, model, label, _, rank, standing), score, why, _ in ranked:
        left_out = standing.closed or (_beyond(most) if tried >= most else "")
        reason = f"{why}; after others: {standing.doubtful or standing.full}" if 0 < rank < _CLOSED else why
        full, closed = bool(standing.full), bool(standing.closed)
        one = Candidate(
            target, model, label, reason, left_out, score, full, standing.wait, closed, stands_well=not rank
        )
        if left_out:
            later.append(one)
        else:
            tried += 1
            yield one
    yield from later


def _beyond(most: int) -> str:
    return "fallback is off" if most == 1 else f"beyond fallback.maxTargets = {most}"


def _rank(one: Ranked) -> int:
    return one.option.rank
