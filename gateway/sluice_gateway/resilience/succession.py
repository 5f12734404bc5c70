"""Which candidate of a request is asked next, and after what wait: another one first, the same one again last."""

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from sluice_config.resources.provider_policy import Retry
from sluice_gateway.providers.adapter import FaultKind
from sluice_gateway.resilience.retries import RetryBudget, RetryBudgets, back_off

PASSING = frozenset({FaultKind.FAILED, FaultKind.TIMEOUT, FaultKind.RATE_LIMITED})
"""Failures that may be over soon. A refused key, a lack of credit or of the model are not."""


class _Provider(Protocol):
    @property
    def resource(self) -> str: ...

    @property
    def retry(self) -> Retry: ...


class _Target(Protocol):
    @property
    def provider(self) -> _Provider: ...


class Asked(Protocol):
    """What a candidate must have."""

    @property
    def target(self) -> _Target:
        """Whose provider says how it is retried."""
        ...


C = TypeVar("C", bound=Asked)


class Turn(NamedTuple, Generic[C]):
    """Who is next, after ``wait`` seconds. ``queue``: nobody else is left, so it may wait for room in its limits."""

    candidate: C
    wait: float
    queue: bool


class Succession(Generic[C]):
    """One request's way through its candidates.

    Each is asked once, in order; then those whose limits were full, the one with the shortest wait first; then those
    whose failure may pass, the soonest first, as often as their policies and their providers' budgets allow. Nothing
    begins at the ``deadline`` or later, inf when there is none. ``chance`` gives 0 to 1.

    What ``next`` hands out counts for the budgets. A candidate that has no more to hope for is just not given back.
    """

    __slots__ = ("_again", "_budgets", "_candidates", "_chance", "_deadline", "_full", "_place", "_queueing", "_tries")

    def __init__(
        self, candidates: Sequence[C], *, budgets: RetryBudgets, deadline: float, chance: Callable[[], float]
    ) -> None:
        self._candidates = candidates
        self._budgets = budgets
        self._deadline = deadline
        self._chance = chance
        self._place = 0
        self._queueing = False  # whether every candidate has been asked
        self._full: list[tuple[float, C]] = []
        self._again: list[tuple[float, C]] = []  # from when
        self._tries: dict[int, int] = {}  # retries, by a candidate's identity

    def next(self, now: float) -> Turn[C] | None:
        """The next turn; None when nobody is left who could still serve."""
        if now >= self._deadline:
            return None
        if self._place < len(self._candidates):
            candidate = self._candidates[self._place]
            self._place += 1
            self._budget(candidate).asked(now)
            return Turn(candidate, 0.0, queue=False)
        self._queueing = True
        if self._full:
            return Turn(_pop_first(self._full)[1], 0.0, queue=True)
        return self._retry(now)

    def failed(self, candidate: C, kind: FaultKind, retry_after: float | None, now: float) -> None:
        """It was asked and did not serve; ``retry_after`` are the seconds that it asks for."""
        policy, tries = candidate.target.provider.retry, self._tries.get(id(candidate), 0)
        if kind in PASSING and tries < policy.max_retries:
            self._again.append((now + back_off(policy, tries, self._chance(), retry_after), candidate))

    def full(self, candidate: C, wait: float) -> None:
        """Its provider's limits had no room, and may have in ``wait`` seconds. It comes back once."""
        if not self._queueing:
            self._full.append((wait, candidate))

    def refused(self, candidate: C) -> None:
        """Its breaker did not let it be asked: never again in this request."""

    def _retry(self, now: float) -> Turn[C] | None:
        while self._again:
            at, candidate = _pop_first(self._again)
            if at >= self._deadline:
                return None  # and so are all that come later
            budget = self._budget(candidate)
            if budget.may_retry(now):
                budget.retried(now)
                self._tries[id(candidate)] = self._tries.get(id(candidate), 0) + 1
                return Turn(candidate, max(0.0, at - now), queue=True)
        return None

    def _budget(self, candidate: C) -> RetryBudget:
        provider = candidate.target.provider
        return self._budgets.of(provider.resource, provider.retry)


def _pop_first(waiting: list[tuple[float, C]]) -> tuple[float, C]:
    """Take the first in time out; of several, the one that came first."""
    return waiting.pop(min(range(len(waiting)), key=lambda place: waiting[place][0]))
