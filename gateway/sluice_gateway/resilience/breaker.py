"""The circuit breaker of one target: leaves it alone for a while when it fails, then tries it with few requests."""

from collections.abc import Callable
from enum import Enum, StrEnum, auto

from sluice_config.resources.provider_policy import CircuitBreaker
from sluice_gateway.resilience.tally import Tally

LEAST_SHARE = 10
"""Only when at least one verdict in so many is bad, failures open a breaker (docs/decisions/0010)."""


class State(StrEnum):
    """CLOSED: requests pass. OPEN: none does. HALF_OPEN: few do, as probes."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Verdict(Enum):
    """What a request has shown of its target. NONE: nothing; the caller left or was mistaken, or hit a limit."""

    GOOD = auto()
    BAD = auto()
    NONE = auto()


_BESIDE = -1  # is no era: whoever enters with it says nothing of the target

Changed = Callable[[State, bool], None]
"""Told of each new state, and whether somebody set it by hand."""


class Breaker:
    """One target's breaker. ``opened`` counts how often it has opened of itself.

    Times are seconds that only grow. Whoever may ask, by ``enter``, comes back with ``leave``, however it ended.
    """

    __slots__ = (
        "_changed",
        "_era",
        "_good",
        "_hand",
        "_hand_until",
        "_lapse",
        "_policy",
        "_probes",
        "_state",
        "_suspected",
        "_tally",
        "_until",
        "opened",
    )

    def __init__(self, policy: CircuitBreaker, changed: Changed | None = None) -> None:
        self._policy = policy
        self._changed = changed
        self._tally = Tally(policy.window_seconds)
        self._state = State.CLOSED
        self._until = 0.0  # of OPEN
        self._suspected = False  # HALF_OPEN by hearsay
        self._hand: State | None = None  # what somebody has set, for a while
        self._hand_until = 0.0
        self._era = 1  # changes with the state: a request that was let in before says nothing of what is now
        self._probes = self._good = 0  # of HALF_OPEN: under way, ended well
        self._lapse = 0.0  # when probes under way have had their time
        self.opened = 0

    @property
    def policy(self) -> CircuitBreaker:
        """What it goes by. With another window it begins to count anew."""
        return self._policy

    @policy.setter
    def policy(self, policy: CircuitBreaker) -> None:
        if policy.window_seconds != self._policy.window_seconds:
            self._tally = Tally(policy.window_seconds)
        self._policy = policy

    @property
    def at_rest(self) -> bool:
        """Whether it is closed of itself: nothing would be lost but a few counts without it."""
        return self._state is State.CLOSED and self._hand is None

    def by_hand(self, now: float) -> bool:
        """Whether somebody has set its state."""
        return self._hand is not None and now < self._hand_until

    def state(self, now: float) -> State:
        """The state, by hand or of itself."""
        if self._hand is not None and now < self._hand_until:
            return self._hand
        if self._state is State.OPEN and now >= self._until:
            return State.HALF_OPEN
        return self._state

    def left(self, now: float) -> float:
        """Seconds until the state ends of itself; 0 when no time is set."""
        if self._hand is not None and now < self._hand_until:
            return self._hand_until - now
        return max(0.0, self._until - now) if self._state is State.OPEN else 0.0

    def failures(self, now: float) -> int:
        """Bad verdicts in the window."""
        return self._tally.marked(now)

    def wait(self, now: float) -> float:
        """Seconds, at most, until the target may be asked; 0 when it may be asked now."""
        if self._hand is not None and now < self._hand_until:
            return self._hand_until - now if self._hand is State.OPEN else 0.0
        if self._state is State.CLOSED:
            return 0.0
        if self._state is State.OPEN:
            return max(0.0, self._until - now)
        return 0.0 if self._suspected or self._has_place(now) else self._lapse - now

    def is_doubtful(self, now: float) -> bool:
        """Whether a probe finds out just now if what others have found of the target holds here too."""
        return self._suspected and self._hand is None and not self._has_place(now)

    def enter(self, now: float) -> int:
        """Ask for leave to ask the target: 0 when it may not be asked, else what ``leave`` wants back. Takes a probe's
        place when half-open.
        """
        if self._state is State.CLOSED and self._hand is None:
            return self._era
        self._catch_up(now)
        if self._hand is not None:
            return 0 if self._hand is State.OPEN else self._era
        if self._state is State.CLOSED:
            return self._era
        if self._state is State.OPEN:
            return 0
        if not self._has_place(now):
            return _BESIDE if self._suspected else 0
        self._probes += 1
        self._lapse = now + self._policy.open_seconds
        return self._era

    def leave(self, verdict: Verdict, now: float, entered: int) -> State | None:
        """A request is over; ``entered`` is what ``enter`` gave. The new state, when it has changed."""
        if self._state is State.CLOSED and self._hand is None:
            return self._judge(verdict, now) if entered == self._era else None
        self._catch_up(now)
        if entered != self._era or self._hand is not None:
            return None
        if self._state is State.CLOSED:  # again, since the time of a state by hand is over
            return self._judge(verdict, now)
        self._probes -= 1
        if verdict is Verdict.BAD:
            return self._open(now)
        if verdict is Verdict.GOOD:
            self._good += 1
            if self._good >= self._policy.half_open_requests:
                self._tally.clear()
                return self._become(State.CLOSED)
        return None

    def suspect(self, now: float) -> None:
        """Others have found the target failing: let probes decide here. Who comes beside them is not kept away: the
        trouble may be the others' own, and there may be no other target.
        """
        self._catch_up(now)
        if self.at_rest:
            self._become(State.HALF_OPEN)
            self._suspected = True

    def open(self, until: float) -> None:
        """Keep everybody from the target, by hand; then it is as it was before."""
        self._take_over(State.OPEN, until)

    def close(self, until: float) -> None:
        """Let everybody through, by hand, and begin to count anew after that."""
        self._restart()
        self._take_over(State.CLOSED, until)

    def reset(self, now: float) -> None:
        """Forget everything, by hand."""
        before = self.state(now)
        self._restart()
        self._hand = None
        if before is not State.CLOSED:
            self._tell(State.CLOSED, by_hand=True)

    def _has_place(self, now: float) -> bool:
        return self._probes + self._good < self._policy.half_open_requests or now >= self._lapse

    def _judge(self, verdict: Verdict, now: float) -> State | None:
        if verdict is Verdict.NONE:
            return None
        bad = verdict is Verdict.BAD
        tally = self._tally
        tally.count(now, marked=bad)
        if not bad:
            return None
        failures = tally.marked(now)
        if failures < self._policy.failure_threshold or failures * LEAST_SHARE < tally.all(now):
            return None
        return self._open(now)

    def _open(self, now: float) -> State:
        self._until = now + self._policy.open_seconds
        self.opened += 1
        return self._become(State.OPEN)

    def _catch_up(self, now: float) -> None:
        """Do what was due since it was last asked."""
        if self._hand is not None and now >= self._hand_until:
            self._hand = None
            self._era += 1
            self._tell(self._state, by_hand=False)
        if self._state is State.OPEN and self._hand is None and now >= self._until:
            self._become(State.HALF_OPEN)

    def _become(self, state: State) -> State:
        self._state = state
        self._suspected = False
        self._era += 1
        self._probes = self._good = 0
        self._tell(state, by_hand=False)
        return state

    def _take_over(self, state: State, until: float) -> None:
        self._hand, self._hand_until = state, until
        self._probes = self._good = 0
        self._tell(state, by_hand=True)

    def _restart(self) -> None:
        self._state = State.CLOSED
        self._suspected = False
        self._era += 1
        self._tally.clear()

    def _tell(self, state: State, *, by_hand: bool) -> None:
        if self._changed is not None:
            self._changed(state, by_hand)
