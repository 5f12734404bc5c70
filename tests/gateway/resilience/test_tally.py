"""Counts of the last while, slice by slice."""

import pytest

from sluice_gateway.resilience.tally import SLICES, Tally


def test_nothing_has_happened() -> None:
    tally = Tally(60)
    assert (tally.all(0.0), tally.marked(0.0)) == (0, 0)


def test_what_is_marked_counts_among_all() -> None:
    tally = Tally(60)
    tally.count(0.0)
    tally.count(0.0, marked=True)
    tally.count(0.5)
    assert (tally.all(0.5), tally.marked(0.5)) == (3, 1)


@pytest.mark.parametrize(
    ("seconds", "at", "last", "gone"),
    [
        (60, 100.0, 159.999, 160.0),
        (60, 100.999, 159.999, 160.0),
        (60, 101.0, 160.999, 161.0),
        (600, 100.0, 699.999, 700.0),
        (600, 109.999, 699.999, 700.0),
        (30, 100.0, 129.999, 130.0),
        (30, 100.5, 130.499, 130.5),
    ],
)
def test_an_event_is_forgotten_with_its_slice(seconds: int, at: float, last: float, gone: float) -> None:
    tally = Tally(seconds)
    tally.count(at, marked=True)
    assert (tally.all(last), tally.marked(last)) == (1, 1)
    assert tally.marked(gone) == 0
    assert tally.all(gone) == 0


def test_each_slice_goes_alone() -> None:
    tally = Tally(60)
    tally.count(0.0)
    tally.count(0.9, marked=True)
    tally.count(1.0, marked=True)
    tally.count(30.0)
    assert (tally.all(59.0), tally.marked(59.0)) == (4, 2)
    assert (tally.all(60.0), tally.marked(60.0)) == (2, 1)
    assert (tally.all(61.0), tally.marked(61.0)) == (1, 0)
    assert (tally.all(90.0), tally.marked(90.0)) == (0, 0)


def test_slices_are_as_wide_as_their_share_of_the_window() -> None:
    tally = Tally(30)
    tally.count(100.0)
    tally.count(100.6)
    assert [tally.all(now) for now in (129.999, 130.0, 130.499, 130.5)] == [2, 1, 1, 0]


def test_a_count_after_a_long_silence_stands_alone() -> None:
    tally = Tally(60)
    tally.count(0.0, marked=True)
    tally.count(500.0)
    assert (tally.all(500.0), tally.marked(500.0)) == (1, 0)


def test_marked_alone_forgets_too() -> None:
    tally = Tally(60)
    tally.count(0.0, marked=True)
    assert tally.marked(60.0) == 0


def test_memory_does_not_grow_with_events_or_time() -> None:
    tally = Tally(60)
    for tick in range(2000):
        tally.count(tick / 10)
    assert len(tally._slices) == SLICES == 60
    assert tally.all(199.9) == 600


def test_cleared_it_is_as_new() -> None:
    tally = Tally(60)
    tally.count(0.0, marked=True)
    tally.clear()
    assert (tally.all(0.0), tally.marked(0.0)) == (0, 0)
    tally.count(0.0)
    assert (tally.all(0.0), tally.marked(0.0)) == (1, 0)
    assert tally.all(60.0) == 0
