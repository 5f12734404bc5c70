"""Streams of messages that providers write in a way of their own."""

from functools import partial

from sluice_gateway.dialects.dialect import Asked
from sluice_gateway.dialects.messages.streams import MessagesStreamWriter
from sluice_gateway.normal.answers import Finish, Finished, Started, ToolCallDelta
from sluice_gateway.normal.usage import Usage
from tests.support.growth import takes_less


def test_long_arguments_of_calls_side_by_side_take_linear_time() -> None:
    asked = Asked(document={"max_tokens": 5, "messages": []}, model="m", id="req_1", created=1)

    def write(pieces: int) -> None:
        writer = MessagesStreamWriter(asked)
        writer.write([Started(), *(ToolCallDelta(index, '{"a":"', f"call_{index}", "f") for index in (0, 1))])
        for _ in range(pieces):
            writer.write([ToolCallDelta(0, "words ")])
            writer.write([ToolCallDelta(1, "words ")])
        last = writer.write([ToolCallDelta(0, '"}'), ToolCallDelta(1, '"}'), Finished(Finish.TOOL_CALLS)])
        assert last.count(b'"partial_json":"words "') == pieces
        writer.end(Usage(1, 1))

    large, small = partial(write, 20_000), partial(write, 2_500)
    assert takes_less(large, 16, small)  # 8 times as many; each copied for every other would be 64
