"""Estimated usage: marked as such, close to what providers report once they have, and never made up out of nothing."""

import json
from typing import Any

from sluice_gateway.calls import Call, parse
from sluice_gateway.estimates import Estimates
from sluice_gateway.normal.usage import Usage


def call(content: Any = "word " * 200) -> Call:
    return parse(json.dumps({"model": "m", "messages": [{"role": "user", "content": content}]}).encode())


def answer(text: str) -> bytes:
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()


def test_what_is_reported_is_passed_on() -> None:
    estimates, reported = Estimates(), Usage(5, 7)
    assert estimates.of_stream("p/m", call(), 9, reported) is reported
    assert estimates.of_whole("p/m", call(), answer("x"), reported) is reported


def test_without_a_report_bytes_and_deltas_are_counted() -> None:
    estimates = Estimates()
    usage = estimates.of_stream("p/m", call(), 9, None)
    assert usage is not None
    assert usage == Usage(-(-len(call().body) // 4), 9, estimated=True)
    assert estimates.of_whole("p/m", call(), answer("four" * 10), None).completion == 10


def test_what_was_reported_before_a_stream_was_cut_is_the_least_that_it_took() -> None:
    estimates, first = Estimates(), Usage(5, 7, cached=2)
    assert estimates.of_stream("p/m", call(), 7, first, ended=False) is first
    assert estimates.of_stream("p/m", call(), 8, first, ended=False) == Usage(5, 8, cached=2, estimated=True)
    for _ in range(50):  # nothing is learnt of how much comes in an event
        estimates.of_stream("p/m", call(), 500, Usage(5, 1), ended=False)
    assert estimates.of_stream("p/m", call(), 500, Usage(5, 1), ended=False) == Usage(5, 500, estimated=True)


def test_a_stream_that_never_began_has_none() -> None:
    assert Estimates().of_stream("p/m", call(), 0, None) is None


def test_each_target_learns_from_its_own_reports() -> None:
    estimates = Estimates()
    for _ in range(50):
        estimates.of_stream("p/m", call(), 10, Usage(500, 20))
    learnt = estimates.of_stream("p/m", call(), 10, None)
    other = estimates.of_stream("p/other", call(), 10, None)
    assert learnt is not None
    assert other is not None
    assert abs(learnt.prompt - 500) < 25
    assert 19 <= learnt.completion <= 21
    assert other.completion == 10


def test_bytes_of_pictures_are_no_words() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}}
    usage = Estimates().of_stream("p/m", call([{"type": "text", "text": "word " * 40}, picture]), 1, None)
    assert usage is not None
    assert 50 <= usage.prompt <= 60


def test_odd_reports_move_little() -> None:
    estimates = Estimates()
    estimates.of_stream("p/m", call(), 1, Usage(10**9, 10**9))
    usage = estimates.of_stream("p/m", call(), 10, None)
    assert usage is not None
    assert usage.prompt <= 10 * len(call().body) / 4 + 1
    assert usage.completion <= 100
