"""Counting in memory, at the edges of each limit."""

from dataclasses import replace

import pytest

from sluice_gateway.limits.contract import Charge, Granted, Level, Limit, Refused, Span, Unit, Used
from sluice_gateway.limits.local import PLACE_WAIT, Counted, LocalStore
from tests.support.limits import NOON, Wall, left, limit, now, refused, take

PER_MINUTE = limit(span="minute")
BUCKET = limit()
PLACES = limit(Unit.PLACES, 2)


class TestWindows:
    def test_up_to_the_limit_and_not_beyond(self) -> None:
        store = LocalStore(Wall(NOON + 20))
        assert take(store, (PER_MINUTE, 99)).levels == ((PER_MINUTE, 1, 40.0),)
        assert refused(store, (PER_MINUTE, 2)) == Refused((Level(PER_MINUTE, 1, 40.0),), PER_MINUTE, 40.0)
        assert take(store, (PER_MINUTE, 1)).levels == ((PER_MINUTE, 0, 40.0),)
        assert refused(store, (PER_MINUTE, 1)).retry_after == 40.0

    def test_what_never_fits(self) -> None:
        store = LocalStore(Wall())
        assert refused(store, (PER_MINUTE, 101)).retry_after is None
        assert take(store, (PER_MINUTE, 100))
        assert refused(store, (PER_MINUTE, 100)).retry_after == 60.0

    def test_a_window_ends_with_all_that_was_counted_in_it(self) -> None:
        wall = Wall(NOON + 59.5)
        store = LocalStore(wall)
        take(store, (PER_MINUTE, 100))
        wall.now = NOON + 59.999
        assert refused(store, (PER_MINUTE, 1))
        wall.now = NOON + 60
        assert take(store, (PER_MINUTE, 100)).levels == ((PER_MINUTE, 0, 60.0),)

    @pytest.mark.parametrize(("used", "remaining"), [(0, 100), (30, 70), (60, 40), (90, 10), (130, 0)])
    def test_settling_puts_what_was_used_in_the_place_of_what_was_reserved(self, used: int, remaining: int) -> None:
        store = LocalStore(Wall())
        granted = take(store, (PER_MINUTE, 60))
        store.settle(granted, Used(used))
        answer = now(store.reserve([Charge(PER_MINUTE, 101)]))
        assert answer.levels[0].remaining == remaining

    def test_requests_stay_counted(self) -> None:
        store, requests = LocalStore(Wall()), limit(Unit.REQUESTS, 2, "minute")
        store.settle(take(store, (requests, 1)), Used(0))
        store.settle(take(store, (requests, 1)), Used(50))
        assert refused(store, (requests, 1))

    def test_what_is_settled_after_its_window_is_not_of_the_next(self) -> None:
        wall = Wall()
        store = LocalStore(wall)
        first, second = take(store, (PER_MINUTE, 50)), take(store, (PER_MINUTE, 50))
        wall.now += 60
        take(store, (PER_MINUTE, 10))
        store.settle(first, Used(0))
        store.settle(second, Used(500))
        assert left(store, PER_MINUTE) == 90

    def test_each_span_zone_name_consumer_and_holder_has_its_own_count(self) -> None:
        store, spans = LocalStore(Wall()), list[Span](["hour", "day", "month"])
        others = [
            *(replace(PER_MINUTE, span=span) for span in spans),
            replace(PER_MINUTE, span="day", zone="Asia/Tokyo"),
            replace(PER_MINUTE, name="b"),
            replace(PER_MINUTE, consumer="ada"),
            replace(PER_MINUTE, holder="ModelRoute/default/other"),
            replace(PER_MINUTE, unit=Unit.REQUESTS),
        ]
        take(store, (PER_MINUTE, 100))
        assert [left(store, one) for one in others] == [100] * len(others)

    def test_a_new_bound_goes_on_from_what_was_used(self) -> None:
        store = LocalStore(Wall())
        take(store, (PER_MINUTE, 60))
        assert left(store, replace(PER_MINUTE, most=70, closed=True)) == 10
        assert refused(store, (replace(PER_MINUTE, most=50), 1)).levels[0].remaining == 0

    def test_a_clock_that_is_set_back_a_little_does_not_give_a_window_twice(self) -> None:
        wall = Wall()
        store = LocalStore(wall)
        take(store, (PER_MINUTE, 100))
        wall.now = NOON - 60
        assert refused(store, (PER_MINUTE, 1)).retry_after == 120.0
        wall.now = NOON - 60.5
        assert take(store, (PER_MINUTE, 100))

    def test_times_are_differences(self) -> None:
        """In 1970, where no other sum of two instants looks like one."""
        store = LocalStore(Wall(20))
        assert take(store, (PER_MINUTE, 100)).levels == ((PER_MINUTE, 0, 40.0),)
        assert refused(store, (PER_MINUTE, 1)).retry_after == 40.0


class TestBuckets:
    def test_a_full_bucket_gives_all_at_once(self) -> None:
        store = LocalStore(Wall())
        (level,) = take(store, (BUCKET, 99)).levels
        assert level.remaining == 1
        assert level.reset == pytest.approx(59.4)
        assert refused(store, (BUCKET, 2)).retry_after == pytest.approx(0.6)
        assert take(store, (BUCKET, 1)).levels == ((BUCKET, 0, 60.0),)
        assert refused(store, (BUCKET, 100)).retry_after == 60.0
        assert refused(store, (BUCKET, 101)).retry_after is None

    def test_it_fills_all_the_time(self) -> None:
        wall = Wall()
        store = LocalStore(wall)
        take(store, (BUCKET, 100))
        wall.now += 15
        assert refused(store, (BUCKET, 26)).retry_after == pytest.approx(0.6)
        assert take(store, (BUCKET, 25)).levels[0].remaining == 0
        wall.now += 61
        assert left(store, BUCKET) == 100
        assert take(store, (BUCKET, 100)).levels == ((BUCKET, 0, 60.0),)

    def test_times_are_differences(self) -> None:
        wall = Wall(10)
        store = LocalStore(wall)
        take(store, (BUCKET, 100))
        wall.now = 40
        assert left(store, BUCKET) == 50

    def test_after_the_time_that_it_said_there_is_room(self) -> None:
        wall = Wall(NOON + 0.1)
        store, thirds = LocalStore(wall), limit(most=7)
        take(store, (thirds, 7))
        for amount in (1, 2, 3, 1, 5, 7):
            wait = refused(store, (thirds, amount)).retry_after
            assert wait
            wall.now += wait - 0.01
            assert refused(store, (thirds, amount))
            wall.now += 0.01
            assert take(store, (thirds, amount))

    @pytest.mark.parametrize(("used", "remaining"), [(0, 100), (30, 70), (90, 10), (130, 0)])
    def test_settling(self, used: int, remaining: int) -> None:
        store = LocalStore(Wall())
        store.settle(take(store, (BUCKET, 60)), Used(used))
        assert now(store.reserve([Charge(BUCKET, 101)])).levels[0].remaining == remaining

    def test_it_never_holds_more_than_when_full(self) -> None:
        wall = Wall()
        store = LocalStore(wall)
        granted = take(store, (BUCKET, 60))
        wall.now += 600
        store.settle(granted, Used(0))
        assert take(store, (BUCKET, 100))
        assert refused(store, (BUCKET, 1))

    def test_what_has_come_back_by_itself_is_not_given_back_again(self) -> None:
        wall = Wall()
        store = LocalStore(wall)
        none, some, more = take(store, (BUCKET, 30)), take(store, (BUCKET, 10)), take(store, (BUCKET, 20))
        wall.now += 35.9
        store.settle(some, Used(0))
        take(store, (BUCKET, 50))
        store.settle(none, Used(0))
        assert left(store, BUCKET) == 50
        store.settle(more, Used(21))
        assert left(store, BUCKET) == 49

    def test_what_was_used_beyond_it_is_waited_for(self) -> None:
        wall = Wall()
        store = LocalStore(wall)
        store.settle(take(store, (BUCKET, 60)), Used(150))
        answer = refused(store, (BUCKET, 1))
        assert answer.levels[0].reset == pytest.approx(90)
        assert answer.retry_after == pytest.approx(30.6)

    def test_a_clock_that_is_set_back_fills_nothing(self) -> None:
        wall = Wall()
        store = LocalStore(wall)
        take(store, (BUCKET, 100))
        wall.now -= 3600
        assert left(store, BUCKET) == 0
        wall.now += 30
        assert left(store, BUCKET) == 50

    def test_a_new_bound_fills_at_its_own_pace(self) -> None:
        wall = Wall()
        store = LocalStore(wall)
        take(store, (BUCKET, 100))
        larger = replace(BUCKET, most=200)
        assert left(store, larger) == 100
        wall.now += 15
        assert left(store, larger) == 150


class TestPlaces:
    def test_places_come_back_when_settled(self) -> None:
        store = LocalStore(Wall())
        first, second = take(store, (PLACES, 1)), take(store, (PLACES, 1))
        assert [first.levels, second.levels] == [((PLACES, 1, 0.0),), ((PLACES, 0, 0.0),)]
        assert refused(store, (PLACES, 1)) == Refused((Level(PLACES, 0, 0.0),), PLACES, PLACE_WAIT)
        store.settle(first, Used(7))
        assert left(store, PLACES) == 1
        store.settle(second, Used(0))
        assert left(store, PLACES) == 2

    def test_all_places_may_be_taken_one_by_one(self) -> None:
        store, four = LocalStore(Wall()), replace(PLACES, most=4)
        assert refused(store, (four, 5)).retry_after is None
        for remaining in (3, 2, 1, 0):
            assert take(store, (four, 1)).levels[0].remaining == remaining
        assert refused(store, (four, 1))

    def test_time_gives_none_back(self) -> None:
        wall = Wall()
        store = LocalStore(wall)
        take(store, (PLACES, 2))
        wall.now += 10**6
        assert refused(store, (PLACES, 2)).retry_after == PLACE_WAIT == 1.0
        assert refused(store, (PLACES, 3)).retry_after is None

    def test_fewer_places_than_are_taken(self) -> None:
        store = LocalStore(Wall())
        granted = take(store, (PLACES, 2))
        fewer = replace(PLACES, most=1)
        assert refused(store, (fewer, 1)).levels == ((fewer, 0, 0.0),)
        store.settle(granted, Used())
        assert left(store, fewer) == 1


class TestAllOrNothing:
    def test_nothing_is_taken_when_one_limit_has_no_room(self) -> None:
        store = LocalStore(Wall())
        full = limit(Unit.REQUESTS, 1, "day")
        take(store, (full, 1))
        answer = refused(store, (PER_MINUTE, 50), (BUCKET, 50), (PLACES, 1), (full, 1))
        assert answer.limit == full
        assert [level.remaining for level in answer.levels] == [100, 100, 2, 0]
        assert [left(store, one) for one in (PER_MINUTE, BUCKET, PLACES)] == [100, 100, 2]

    def test_the_one_with_the_longest_wait_is_told(self) -> None:
        store = LocalStore(Wall())
        take(store, (PER_MINUTE, 100), (BUCKET, 50), (PLACES, 2))
        assert refused(store, (BUCKET, 60), (PER_MINUTE, 60), (PLACES, 1)).limit == PER_MINUTE
        answer = refused(store, (PLACES, 1), (BUCKET, 60))
        assert answer.levels == ((PLACES, 0, 0.0), (BUCKET, 50, 30.0))
        assert answer.limit == BUCKET
        assert answer.retry_after == pytest.approx(6.0)
        assert refused(store, (PER_MINUTE, 1), (PLACES, 3)).limit == PLACES
        assert refused(store, (PLACES, 3), (PER_MINUTE, 1)).retry_after is None

    def test_no_charges_are_granted(self) -> None:
        store = LocalStore(Wall())
        granted = take(store)
        assert (granted.levels, granted.charges) == ((), ())
        store.settle(granted, Used(5))


class TestDraining:
    def test_what_was_counted_is_handed_over_once(self) -> None:
        wall = Wall(NOON + 5)
        store = LocalStore(wall)
        take(store, (PER_MINUTE, 40), (BUCKET, 50), (PLACES, 1))
        wall.now += 3
        assert store.drain() == [Counted(PER_MINUTE, int(NOON), 40), Counted(BUCKET, None, 45)]
        assert store.drain() == []
        assert [left(store, one) for one in (PER_MINUTE, BUCKET, PLACES)] == [100, 100, 1]

    def test_what_is_settled_later_follows(self) -> None:
        store = LocalStore(Wall())
        less, more = take(store, (PER_MINUTE, 40)), take(store, (PER_MINUTE, 10), (BUCKET, 10))
        store.drain()
        store.settle(less, Used(15))
        assert store.drain() == [Counted(PER_MINUTE, int(NOON), -25)]
        store.settle(more, Used(30))
        assert store.drain() == [Counted(PER_MINUTE, int(NOON), 20), Counted(BUCKET, None, 20)]

    def test_part_of_a_unit_counts_whole(self) -> None:
        wall = Wall()
        store = LocalStore(wall)
        take(store, (BUCKET, 50))
        wall.now += 0.3
        assert store.drain() == [Counted(BUCKET, None, 50)]

    @pytest.mark.parametrize("later", [60, 61])
    def test_a_window_that_is_over_concerns_nobody(self, later: float) -> None:
        wall = Wall()
        store = LocalStore(wall)
        take(store, (PER_MINUTE, 40), (limit(span="hour"), 30))
        wall.now += later
        assert store.drain() == [Counted(limit(span="hour"), int(NOON), 30)]


class TestRefusing:
    def test_of_limits_with_the_same_wait_the_first_says_why(self) -> None:
        store = LocalStore(Wall())
        first, second = replace(PLACES, name="first", most=1), replace(PLACES, name="second", most=1)
        take(store, (first, 1), (second, 1))
        assert refused(store, (first, 1), (second, 1)).limit == first
        assert refused(store, (second, 1), (first, 1)).limit == second

    @pytest.mark.parametrize("later", [60, 61, 200])
    def test_what_is_told_of_the_others_is_of_now(self, later: int) -> None:
        wall = Wall()
        store = LocalStore(wall)
        one = replace(PLACES, most=1)
        take(store, (one, 1), (PER_MINUTE, 40), (BUCKET, 40))
        wall.now += later
        levels = refused(store, (one, 1), (PER_MINUTE, 30), (BUCKET, 30)).levels
        assert [level.remaining for level in levels] == [0, PER_MINUTE.most, BUCKET.most]
        assert levels[1].reset == 60 - later % 60


class TestFullBuckets:
    def test_what_comes_back_late_is_not_taken_off_others(self) -> None:
        wall = Wall()
        store = LocalStore(wall)
        early = take(store, (BUCKET, BUCKET.most))
        wall.now += 60
        take(store, (BUCKET, 30))
        store.settle(early, Used(0))
        assert left(store, BUCKET) == BUCKET.most - 30

    @pytest.mark.parametrize("later", [30, 60, 90])
    def test_a_full_bucket_has_nothing_to_tell(self, later: int) -> None:
        wall = Wall()
        store = LocalStore(wall)
        taken = take(store, (BUCKET, BUCKET.most))
        wall.now += later
        store.settle(taken, Used(0))
        assert store.drain() == []


class TestUndoing:
    def test_what_is_undone_was_never_taken(self) -> None:
        store = LocalStore(Wall())
        limits = (PER_MINUTE, limit(Unit.REQUESTS, 3, "day"), BUCKET, PLACES)
        before = [left(store, one) for one in limits]
        taken = take(store, *((one, 1) for one in limits))
        assert [left(store, one) for one in limits] == [count - 1 for count in before]
        store.undo(taken)
        assert [left(store, one) for one in limits] == before

    async def test_several_are_asked_each_for_itself(self) -> None:
        store = LocalStore(Wall())
        answers = await store.reserve_each([[Charge(PER_MINUTE, 101)], [Charge(PER_MINUTE, 40)]])
        assert [type(answer) for answer in answers] == [Refused, Granted]


class TestMemory:
    """What is kept can be seen in the store itself only."""

    @pytest.mark.parametrize("later", [60, 61])
    @pytest.mark.parametrize("asked", [PER_MINUTE, BUCKET, PLACES], ids=["window", "bucket", "places"])
    def test_counters_that_are_over_go_away_when_there_are_many(self, asked: Limit, later: int) -> None:
        wall = Wall()
        store = LocalStore(wall)
        held = take(store, (replace(PLACES, consumer="held"), 1))
        for number in range(1022):
            store.settle(take(store, (replace(asked, consumer=str(number)), 60 if asked is BUCKET else 1)), Used(60))
        wall.now += later
        take(store, (limit(span="hour"), 1))
        assert len(store._counters) == 1024
        take(store, (limit(span="day"), 1))
        assert len(store._counters) == 3
        assert store._many == 1024
        assert left(store, replace(PLACES, consumer="held")) == PLACES.most - 1
        store.settle(held, Used())
        assert left(store, replace(PLACES, consumer="held")) == PLACES.most

    def test_a_window_that_goes_on_stays_when_another_begins(self) -> None:
        wall = Wall()
        store = LocalStore(wall)
        take(store, (PER_MINUTE, 40), (limit(span="hour"), 30))
        wall.now += 60
        take(store, (PER_MINUTE, 40))
        assert left(store, limit(span="hour")) == 70

    def test_full_buckets_go_away_when_there_are_many(self) -> None:
        wall = Wall()
        store = LocalStore(wall)
        early = take(store, (replace(BUCKET, name="early"), 60))
        for number in range(1023):
            take(store, (replace(BUCKET, name=str(number)), 60))
        assert len(store._counters) == 1024
        wall.now += 30
        late = replace(BUCKET, name="late")
        take(store, (late, 60))
        assert len(store._counters) == 1025
        assert store._many == 2048  # none was full: to look again at once would be for nothing
        wall.now += 6
        for number in range(1024):
            left(store, replace(BUCKET, name=f"b{number}"))
        assert len(store._counters) < 1100
        assert left(store, late) == 50
        store.settle(early, Used(90))  # of a bucket that was dropped
        assert left(store, replace(BUCKET, name="early")) == 70
