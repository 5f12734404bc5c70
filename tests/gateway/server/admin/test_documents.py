"""What is shown of much: in an order that matters, and cut off where it is said."""

from sluice_gateway.resilience.breaker import State
from sluice_gateway.resilience.breakers import Described
from sluice_gateway.server.admin.documents import MOST_BREAKERS, breaker, breakers, cut, some


def one(model: str, state: State = State.CLOSED, left: float = 0.0, *, by_hand: bool = False) -> Described:
    return Described("default/a", model, state, left, by_hand, 0, 0)


def test_breakers_that_are_not_closed_come_first_and_then_those_that_were_set_by_hand() -> None:
    found = [
        one("a"),
        one("b", by_hand=True),
        one("c", State.HALF_OPEN),
        one("d", State.OPEN),
        one("e", State.OPEN, by_hand=True),
    ]
    assert [shown["model"] for shown in breakers(found)["breakers"]] == ["e", "c", "d", "b", "a"]


def test_seconds_are_rounded_up() -> None:
    assert [breaker(one("a", State.OPEN, left))["secondsLeft"] for left in (0.0, 0.1, 1.0, 59.5)] == [0, 1, 1, 60]


def test_breakers_are_cut_off() -> None:
    many = [one(f"m{number:04}") for number in range(MOST_BREAKERS + 1)]
    assert (len(breakers(many)["breakers"]), breakers(many)["more"]) == (MOST_BREAKERS, 1)
    assert (len(breakers(many[1:])["breakers"]), breakers(many[1:])["more"]) == (MOST_BREAKERS, 0)


def test_names_are_cut_off_where_there_are_more() -> None:
    assert cut("routes", ["a", "b"], 2) == {"routes": ["a", "b"]}
    assert cut("routes", ["a", "b", "c"], 2) == {"routes": ["a", "b"], "moreRoutes": 1}


def test_names_in_words() -> None:
    assert some([]) == "none"
    assert some(["b", "a"]) == "a, b"
    assert some([f"{number:02}" for number in range(20)]).endswith(", 19")
    assert some([f"{number:02}" for number in range(21)]).endswith(", 19 and 1 more")
