"""One planned request on its way from target to target."""

from collections.abc import Callable

from sluice_config.resources.provider_policy import ImageFetch
from sluice_gateway.attempts import Attempt, AttemptFailed, failure_of
from sluice_gateway.calls import Call
from sluice_gateway.errors import CallerError, GatewayError
from sluice_gateway.exchange import Exchange, Reply
from sluice_gateway.fleet import Closed
from sluice_gateway.limits.gate import Ahead, Full
from sluice_gateway.normal.parts import Source
from sluice_gateway.providers.adapter import FaultKind
from sluice_gateway.resilience.retries import RetryBudgets
from sluice_gateway.resilience.succession import Succession
from sluice_gateway.routing.explain import Planned
from sluice_gateway.routing.plan import Candidate

NEXT = Reply(b"")
"""Stands for the turn of another target; known by its identity."""


class Trip:
    """A planned request: what it may use, by when it must have ended, and which targets have not served so far.

    Nothing may begin after ``last``. ``unable`` is why the first target that can't do what is asked can't. ``outrun``:
    another attempt of the same request was faster than this one. ``waited``: seconds in providers' lines so far.
    ``ahead``: what is reserved at the first target already. ``pictures`` were fetched already, by such rules.
    ``candidates`` are tried in their order. ``estimate`` gives the tokens of a prompt, by a target's kind.
    """

    __slots__ = (
        "_estimate",
        "_tokens",
        "ahead",
        "attempts",
        "candidates",
        "deadline",
        "exchange",
        "last",
        "outrun",
        "pictures",
        "planned",
        "succession",
        "unable",
        "waited",
    )

    def __init__(
        self,
        exchange: Exchange,
        planned: Planned,
        deadline: float | None,
        estimate: Callable[[str, Call], int],
        *,
        now: float,
        budgets: RetryBudgets,
        chance: Callable[[], float],
    ) -> None:
        self.exchange = exchange
        self.planned = planned
        self.deadline = deadline
        self._estimate = estimate
        self._tokens = -1
        self.attempts: list[Attempt] = []
        self.unable: CallerError | None = None
        self.outrun = False
        self.waited = 0.0
        self.ahead: Ahead | None = None
        self.pictures: tuple[tuple[ImageFetch, dict[str, Source]], ...] = ()
        candidates = self.candidates = planned.plan.to_try()
        self.last = now + planned.match.route.longest_seconds if deadline is None else deadline
        self.succession = Succession(candidates, budgets=budgets, deadline=self.last, chance=chance)

    @property
    def consumer(self) -> str:
        """Whose request it is."""
        return self.exchange.record.consumer

    @property
    def tokens(self) -> int:
        """What it may use: its prompt, and the longest answer that it allows or lets expect."""
        if self._tokens < 0:
            candidates, needs = self.planned.plan.candidates, self.planned.needs
            call, prompt = self.exchange.call, needs.prompt_tokens
            if candidates:
                prompt = self._estimate(candidates[0].target.kind, call)
            self._tokens = prompt + needs.max_output
        return self._tokens

    def give_back_ahead(self) -> None:
        """The target at which something is reserved is not the one that is asked, or none is."""
        if self.ahead is not None:
            self.ahead.gate.give_back(self.ahead)
            self.ahead = None

    def note(self, attempt: Attempt) -> None:
        """A target did not serve."""
        self.attempts.append(attempt)
        self.exchange.record.failed_attempts.append(attempt.described())

    def failed(self, candidate: Candidate, error: AttemptFailed | Full | Closed, now: float, *, queue: bool) -> None:
        """A target has failed, or could not be asked; ``queue``: after it has waited for room."""
        if isinstance(error, AttemptFailed):
            fault = error.attempt.fault
            self.note(error.attempt)
            self.succession.failed(candidate, fault.kind, fault.retry_after, now)
        elif isinstance(error, Full):
            self.succession.full(candidate, error.retry_after)
            if queue:
                wait, kind = error.retry_after, FaultKind.RATE_LIMITED
                self.note(Attempt.passed_over(candidate.label, str(error), wait, kind))
        else:
            self.succession.refused(candidate)
            self.note(Attempt.passed_over(candidate.label, str(error), error.wait, FaultKind.FAILED))

    def patience(self, candidate: Candidate, now: float) -> float:
        """Until when it may wait in the line of a candidate's provider: as long as that lets, in all lines together."""
        longest = candidate.target.provider.rate_limit.queue.max_wait_milliseconds / 1000
        return min(self.last, now + longest - self.waited)

    def cannot(self, candidate: Candidate, error: CallerError) -> None:
        """A target can't do what is asked."""
        self.unable = self.unable or error
        self.note(Attempt.passed_over(candidate.label, error.message, None, FaultKind.CALLER))

    def failure(self, late: str) -> GatewayError:
        """What the caller is told when no target has served. ``late``: see ``failure_of``."""
        if self.unable is not None and all(attempt.fault.kind is FaultKind.CALLER for attempt in self.attempts):
            return self.unable
        for one in self.planned.plan.candidates:
            if one.closed:
                self.note(Attempt.passed_over(one.label, one.left_out, one.wait, FaultKind.FAILED))
            elif one.unable:
                self.note(Attempt.passed_over(one.label, one.left_out, None, FaultKind.CALLER))
        return failure_of(self.attempts, late=late)
