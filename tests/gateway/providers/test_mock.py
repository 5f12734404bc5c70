"""The mock answers the same for the same, in OpenAI's shape, and fails as it is told."""

import json
from typing import Any

import pytest

from sluice_config.resources.provider_policy import Mock
from sluice_gateway.providers.mock import MockUpstream
from sluice_gateway.providers.openai.observer import OpenAIObserver
from sluice_gateway.sse import data_of
from sluice_gateway.upstream import (
    Answer,
    AnswerTooLarge,
    ConnectionLost,
    Endpoint,
    FirstByteTimeout,
    IdleTimeout,
    Timeouts,
)

ENDPOINT = Endpoint("POST", "http://mock.invalid/v1/chat/completions")
TIMEOUTS = Timeouts(connect=1, first_byte=10, idle=5, total=60)


class Time:
    """Sleeps are noted and take no time."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def mock(time: Time | None = None, **spec: Any) -> MockUpstream:
    return MockUpstream(Mock(**spec), sleep=(time or Time()).sleep)


def body(**more: Any) -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": "hello there"}]} | more).encode()


async def answer_of(upstream: MockUpstream, request: bytes, timeouts: Timeouts = TIMEOUTS) -> Answer:
    return await upstream.send(ENDPOINT, request, timeouts)


async def text_of(upstream: MockUpstream, request: bytes) -> str:
    document = json.loads(await (await answer_of(upstream, request)).read(100_000))
    return str(document["choices"][0]["message"]["content"])


async def events_of(answer: Answer) -> list[bytes]:
    frames = b""
    while chunk := await answer.chunk():
        frames += chunk
    return data_of(frames)


async def test_same_question_same_answer() -> None:
    assert await text_of(mock(), body()) == await text_of(mock(), body())


@pytest.mark.parametrize("other", [body(model="n"), body(messages=[{"role": "user", "content": "other"}])])
async def test_another_question_another_answer(other: bytes) -> None:
    assert await text_of(mock(), body()) != await text_of(mock(), other)


async def test_another_seed_another_answer() -> None:
    assert await text_of(mock(), body()) != await text_of(mock(seed=7), body())


async def test_a_whole_answer_has_openais_shape() -> None:
    answer = await answer_of(mock(), body())
    assert (answer.status, answer.header("content-type"), answer.header("retry-after")) == (
        200,
        "application/json",
        None,
    )
    document = json.loads(await answer.read(100_000))
    usage = document["usage"]
    assert (document["object"], document["model"], document["choices"][0]["finish_reason"]) == (
        "chat.completion",
        "m",
        "stop",
    )
    assert usage["prompt_tokens"] == 2
    assert usage["total_tokens"] == 2 + len(document["choices"][0]["message"]["content"].split())
    answer.close()


async def test_the_stream_says_the_same_as_the_whole_answer() -> None:
    chunks = [json.loads(data) for data in (await events_of(await answer_of(mock(), body(stream=True))))[:-1]]
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == await text_of(mock(), body())
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert all("role" not in chunk["choices"][0]["delta"] for chunk in chunks[1:])


async def test_a_stream_ends_with_a_reason_then_usage_if_asked_then_done() -> None:
    observer = OpenAIObserver()
    asked = await events_of(await answer_of(mock(), body(stream=True, stream_options={"include_usage": True})))
    events = [observer.event(data) for data in asked[-3:]]
    assert [bool(event and event.finished) for event in events] == [True, False, False]
    assert events[1] is not None
    assert events[1].usage is not None
    assert asked[-1] == b"[DONE]"
    silent = await events_of(await answer_of(mock(), body(stream=True)))
    assert not any(b"usage" in data for data in silent)


async def test_latency_and_speed_take_their_time() -> None:
    time = Time()
    words = len((await text_of(mock(time, latency_milliseconds=250, tokens_per_second=10), body())).split())
    assert time.slept == [0.25 + words / 10]


async def test_a_stream_comes_at_its_speed() -> None:
    time = Time()
    events = await events_of(await answer_of(mock(time, tokens_per_second=50), body(stream=True)))
    assert time.slept == [0.02] * (len(events) - 1)


async def test_a_policys_timeouts_hold_for_the_mock_too() -> None:
    time = Time()
    with pytest.raises(FirstByteTimeout):
        await answer_of(mock(time, latency_milliseconds=20_000), body())
    assert time.slept == [10]
    answer = await answer_of(mock(tokens_per_second=1), body(stream=True), Timeouts(1, 10, 0.5, 60))
    await answer.chunk()
    with pytest.raises(IdleTimeout):
        await answer.chunk()


async def test_errors_come_as_often_and_with_the_status_that_was_set() -> None:
    upstream = mock(error_percent=30, error_status=429)
    answers = [await answer_of(upstream, body()) for _ in range(400)]
    failed = [answer for answer in answers if answer.status == 429]
    assert 80 < len(failed) < 160
    assert b"status 429" in await failed[0].read(1000)
    assert {answer.status for answer in answers} == {200, 429}
    again = mock(error_percent=30, error_status=429)
    assert [answer.status for answer in answers] == [(await answer_of(again, body())).status for _ in range(400)]


async def test_a_stream_is_cut_where_it_was_set() -> None:
    answer = await answer_of(mock(cut_after_frames=3), body(stream=True))
    for _ in range(3):
        assert await answer.chunk()
    with pytest.raises(ConnectionLost):
        await answer.chunk()


async def test_an_answer_beyond_the_limit_is_refused() -> None:
    with pytest.raises(AnswerTooLarge):
        await (await answer_of(mock(), body())).read(10)


@pytest.mark.parametrize(
    "messages", [None, 5, "text", [], [1], [{"content": None}], [{"content": [{"type": "text"}]}], [{}]]
)
async def test_odd_messages_are_no_reason_to_break(messages: object) -> None:
    assert await text_of(mock(), body(messages=messages))


async def test_closing_is_harmless() -> None:
    await mock().close()
