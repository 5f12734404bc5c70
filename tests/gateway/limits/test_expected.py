"""What answers lately had: the 90th percentile, by nearest rank."""

import math
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from sluice_gateway.limits.expected import PRIOR, ExpectedOutput


def after(sizes: Sequence[int], key: str = "p/m") -> ExpectedOutput:
    expected = ExpectedOutput()
    for size in sizes:
        expected.note(key, size)
    return expected


def test_without_an_answer_it_is_the_prior() -> None:
    assert ExpectedOutput().of("p/m") == after([1] * 200, "p/other").of("p/m") == PRIOR == 512


def test_the_prior_counts_as_four_answers() -> None:
    assert after([1] * 35).of("p/m") == PRIOR
    assert after([1] * 36).of("p/m") == 1
    assert after([2000]).of("p/m") == 2000
    assert after([2000, 1, 1, 1, 1, 1]).of("p/m") == PRIOR


def test_of_the_latest_answers_nine_of_ten_are_not_larger() -> None:
    assert after(range(1, 129)).of("p/m") == 116
    assert after([9] * 116 + [5000] * 12).of("p/m") == 9
    assert after([9] * 115 + [5000] * 13).of("p/m") == 5000


def test_what_was_before_the_latest_is_forgotten() -> None:
    assert after([5000] * 500 + [7] * 115).of("p/m") == 5000
    assert after([5000] * 500 + [7] * 116).of("p/m") == 7


@given(st.lists(st.integers(0, 50), max_size=300))
def test_it_is_what_sorting_would_find(sizes: list[int]) -> None:
    latest = sorted(([PRIOR] * 4 + sizes)[-128:])
    assert after(sizes).of("p/m") == latest[math.ceil(len(latest) * 0.9) - 1]


def test_names_are_bounded() -> None:
    expected = after([7] * 200, "first")
    for number in range(4095):
        expected.note(f"p/{number}", 9000)
    assert expected.of("first") == 7
    expected.note("p/one-more", 9000)
    assert expected.of("first") == PRIOR
    assert expected.of("p/0") == expected.of("p/one-more") == 9000
