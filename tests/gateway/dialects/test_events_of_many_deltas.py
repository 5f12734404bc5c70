"""One event of a provider's that holds very many deltas must not keep all other callers waiting."""

import time

import pytest

from sluice_gateway.calls import Shape
from sluice_gateway.dialects import registry
from sluice_gateway.dialects.dialect import Asked
from sluice_gateway.normal.answers import Delta, Finish, Finished, Started, TextDelta, ThoughtDelta

ASKED = Asked(document={"max_tokens": 5, "messages": [], "input": "a"}, model="m", id="req_1", created=1)


def seconds(shape: Shape, count: int) -> float:
    """Of the processor's time, to write so many deltas that come at once."""
    deltas: list[Delta] = [Started()]
    for _ in range(count):
        deltas += [ThoughtDelta("hm"), TextDelta("words")]
    deltas.append(Finished(Finish.STOP))
    writer = registry.CHAT[shape].stream(ASKED)
    started = time.process_time()
    assert writer.write(deltas).count(b'"words"') >= count
    return time.process_time() - started


@pytest.mark.parametrize("shape", registry.CHAT)
def test_they_are_written_in_linear_time(shape: Shape) -> None:
    seconds(shape, 100)
    assert seconds(shape, 16_000) < 40 * seconds(shape, 1_000)  # of 16 times as many; quadratic would be 256
