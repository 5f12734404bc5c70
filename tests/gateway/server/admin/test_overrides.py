"""Breakers set by hand: which ones, for how long, and what outlives a configuration."""

import pytest

from sluice_gateway.errors import NotFound
from sluice_gateway.resilience.breaker import State, Verdict
from sluice_gateway.resilience.breakers import Breakers
from sluice_gateway.server.admin.overrides import Overrides
from sluice_gateway.server.admin.questions import Override
from sluice_gateway.state.news import Order, Told
from tests.support.admin import table_of
from tests.support.gateway import provider, route
from tests.support.moving_time import MovingTime

A, B = "default/a", "default/b"
ONE = provider("a") + provider("b") + route("one", "a/small", "a/large", "b/small")
ANY = provider("a") + route("any", "a", models=("*",))


class Pod:
    """Breakers and what is set by hand, with a clock."""

    def __init__(self, *documents: str) -> None:
        self.time = MovingTime()
        self.breakers = Breakers()
        self.overrides = Overrides(self.breakers, self.time.clock)
        if documents:
            self.follow(*documents)

    def follow(self, *documents: str) -> None:
        table = table_of(*documents)
        self.breakers.keep({one.resource for one in table.providers})
        self.overrides.follow(table)

    def take(self, order: Order, provider: str, model: str | None = None, seconds: float = 0) -> list[str]:
        return self.overrides.take(order, Override(provider, model, seconds))

    def states(self) -> dict[str, tuple[State, float]]:
        """Of those that were set by hand, with the seconds that are left."""
        found = self.breakers.all(self.time.clock())
        return {f"{one.provider}/{one.model}": (one.state, one.left) for one in found if one.by_hand}

    def fail(self, provider: str, model: str) -> None:
        table = table_of(ONE)
        policy = next(one.breaker for one in table.providers if one.resource == provider)
        breaker, now = self.breakers.of(provider, model, policy), self.time.clock()
        for _ in range(policy.failure_threshold):
            breaker.leave(Verdict.BAD, now, breaker.enter(now))


async def test_one_model_is_set_until_its_time_is_over() -> None:
    pod = Pod(ONE)
    assert pod.take("open", A, "small", 60) == ["small"]
    assert pod.states() == {"default/a/small": (State.OPEN, 60.0)}
    await pod.time.move(59)
    assert pod.states() == {"default/a/small": (State.OPEN, 1.0)}
    await pod.time.move(1)
    assert pod.states() == {}


def test_all_models_of_a_provider() -> None:
    pod = Pod(ONE)
    pod.fail(A, "asked-before")
    assert pod.take("close", A, seconds=5) == ["asked-before", "large", "small"]
    assert pod.states() == dict.fromkeys(
        ("default/a/asked-before", "default/a/large", "default/a/small"), (State.CLOSED, 5.0)
    )


def test_the_last_word_counts() -> None:
    pod = Pod(ONE)
    pod.take("open", A, "small", 60)
    pod.take("close", A, "small", 30)
    assert pod.states() == {"default/a/small": (State.CLOSED, 30.0)}
    pod.take("open", A, None, 10)
    assert set(pod.states().values()) == {(State.OPEN, 10.0)}


def test_a_reset_forgets_failures_and_what_was_set() -> None:
    pod = Pod(ONE)
    pod.fail(B, "small")
    pod.take("open", A, None, 60)
    assert pod.take("reset", A) == ["large", "small"]
    assert pod.states() == {}
    pod.follow(provider("z") + route("one", "z/x"))
    pod.follow(ONE)
    assert pod.states() == {}
    assert pod.take("reset", B, "small") == ["small"]
    assert {one.state for one in pod.breakers.all(pod.time.clock())} <= {State.CLOSED}


def test_a_reset_makes_no_breaker() -> None:
    pod = Pod(ONE)
    pod.take("reset", A)
    assert pod.breakers.all(pod.time.clock()) == []


def test_what_is_heard_before_a_configuration_is_done_with_it() -> None:
    pod = Pod()
    assert pod.take("open", A, None, 60) == []
    pod.take("close", A, "large", 60)
    pod.take("open", "default/unknown", None, 60)
    pod.follow(ONE)
    assert pod.states() == {"default/a/large": (State.CLOSED, 60.0), "default/a/small": (State.OPEN, 60.0)}


async def test_models_that_come_later_are_set_for_the_rest_of_the_time() -> None:
    pod = Pod(ONE)
    pod.take("open", A, None, 60)
    pod.take("open", B, None, 20)
    await pod.time.move(20)
    pod.follow(ONE + route("two", "a/new", "b/new", models=("two",)))
    assert pod.breakers.find(B, "new") is None
    assert pod.states() == dict.fromkeys(("default/a/large", "default/a/new", "default/a/small"), (State.OPEN, 40.0))


def test_a_model_that_was_reset_by_itself_stays_so_over_reloads() -> None:
    pod = Pod(ONE)
    pod.take("open", A, None, 60)
    pod.take("reset", A, "small")
    pod.follow(ONE)
    assert pod.states() == {"default/a/large": (State.OPEN, 60.0)}


@pytest.mark.parametrize(
    ("provider_", "model", "message"),
    [
        ("default/c", None, "there is no provider 'default/c', only default/a, default/b"),
        ("a", None, "there is no provider 'a'"),
        (A, "huge", "default/a has no model 'huge', only large, small"),
        (B, "large", "default/b has no model 'large', only small"),
    ],
)
def test_what_there_is_not_is_told_with_what_there_is(provider_: str, model: str | None, message: str) -> None:
    with pytest.raises(NotFound, match=message) as raised:
        Pod(ONE).overrides.check(Override(provider_, model, 60))
    assert raised.value.param == ("provider" if model is None else "model")


def test_names_that_callers_choose_may_be_set_before_they_come() -> None:
    pod = Pod(ANY)
    pod.overrides.check(Override(A, "anything", 60))
    pod.overrides.check(Override(A, None, 60))
    assert pod.take("open", A, "anything", 60) == ["anything"]


async def test_names_that_callers_choose_later_are_set_too_and_nobody_is_told_of_each() -> None:
    pod, told = Pod(ANY), []
    pod.breakers.observers.append(lambda *change: told.append(change))
    assert pod.take("open", A, seconds=60) == []
    policy = table_of(ANY).providers[0].breaker
    assert not pod.breakers.of(A, "chosen", policy).enter(pod.time.clock())
    assert pod.states() == {"default/a/chosen": (State.OPEN, 60.0)}
    assert told == []
    await pod.time.move(60)
    assert pod.breakers.of(A, "late", policy).enter(pod.time.clock())


def test_of_orders_for_one_name_and_for_all_the_later_one_holds_for_a_new_breaker() -> None:
    pod = Pod(ANY)
    pod.take("open", A, seconds=60)
    pod.take("close", A, "chosen", seconds=30)
    pod.breakers.keep(())
    policy = table_of(ANY).providers[0].breaker
    assert pod.breakers.of(A, "chosen", policy).enter(pod.time.clock())
    assert not pod.breakers.of(A, "other", policy).enter(pod.time.clock())


def test_models_that_were_asked_may_be_set() -> None:
    pod = Pod(ONE)
    pod.fail(A, "asked-before")
    pod.overrides.check(Override(A, "asked-before", 60))


def test_without_a_configuration_there_is_nothing_to_set() -> None:
    with pytest.raises(NotFound, match="no configuration"):
        Pod().overrides.check(Override(A, None, 60))


def test_of_many_names_some_are_told() -> None:
    many = "".join(provider(f"p{number:02}") for number in range(23))
    names = [f"p{number:02}/x" for number in range(23)]
    with pytest.raises(NotFound, match=r"only default/p00, .*, default/p19 and 3 more$"):
        Pod(many + route("one", *names)).overrides.check(Override("x", None, 1))


def test_what_other_pods_tell_is_done_too() -> None:
    pod = Pod(ONE)
    pod.overrides.hear(Told("open", A, "small", 12.5))
    pod.overrides.hear(Told("close", B, "", 7.0))
    assert pod.states() == {"default/a/small": (State.OPEN, 12.5), "default/b/small": (State.CLOSED, 7.0)}
    pod.overrides.hear(Told("reset", A, "", 0.0))
    pod.overrides.hear(Told("opened", A, "small", 60.0))
    assert pod.states() == {"default/b/small": (State.CLOSED, 7.0)}


async def test_an_order_for_all_takes_the_place_of_those_for_some() -> None:
    pod = Pod(ONE)
    pod.take("open", A, "small", 60)
    pod.take("open", B, "small", 60)
    assert pod.overrides.superseded(Override(A, None, 60)) == ["small"]
    assert pod.overrides.superseded(Override(A, "small", 60)) == []
    pod.take("open", A, None, 60)
    assert pod.overrides.superseded(Override(A, None, 60)) == []
    assert pod.overrides.superseded(Override(B, None, 60)) == ["small"]
    await pod.time.move(60)
    assert pod.overrides.superseded(Override(B, None, 60)) == []
