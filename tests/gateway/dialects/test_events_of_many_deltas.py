"""One event of a provider's that holds very many deltas must not keep all other callers waiting."""

from collections.abc import Callable

import pytest

from sluice_gateway.calls import Shape
from sluice_gateway.dialects import registry
from sluice_gateway.dialects.dialect import Asked
from sluice_gateway.normal.answers import Delta, Finish, Finished, Started, TextDelta, ThoughtDelta
from tests.support.growth import takes_less

ASKED = Asked(document={"max_tokens": 5, "messages": [], "input": "a"}, model="m", id="req_1", created=1)


def writing(shape: Shape, count: int) -> Callable[[], None]:
    """Writes so many deltas that come at once."""
    deltas: list[Delta] = [Started()]
    for _ in range(count):
        deltas += [ThoughtDelta("hm"), TextDelta("words")]
    deltas.append(Finished(Finish.STOP))

    def write() -> None:
        assert registry.CHAT[shape].stream(ASKED).write(deltas).count(b'"words"') >= count

    return write


@pytest.mark.parametrize("shape", registry.CHAT)
def test_they_are_written_in_linear_time(shape: Shape) -> None:
    writing(shape, 100)()
    assert takes_less(writing(shape, 8_000), 40, writing(shape, 500))  # 16 times as many; quadratic would be 256
