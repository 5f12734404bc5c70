"""Anthropic's SDK in front of every provider."""

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from anthropic.types import Message
from pydantic import BaseModel

from tests.support.live import Site
from tests.support.pairs import PAIRS, WITHOUT_REFUSALS
from tests.support.questions import ADD, PARIS_AND_ROME, PDF, PDF_SIZE, PING, PNG, PNG_SIZE, WEATHER, Tool, asked

every_provider = pytest.mark.parametrize("wire", PAIRS["messages"])


def tool(one: Tool) -> Tool:
    return {"name": one["name"], "description": one["description"], "input_schema": one["parameters"]}


TOOLS: Any = [tool(WEATHER), tool(ADD), tool(PING)]


@pytest.fixture(scope="module")
def client(site: Site) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(
        base_url=site.gateway, api_key="anything", max_retries=0, timeout=20, _strict_response_validation=True
    ) as found:
        yield found


def text_of(message: Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


@every_provider
def test_an_answer(client: anthropic.Anthropic, wire: str) -> None:
    message = client.messages.create(model=wire, max_tokens=99, messages=asked("Say exactly: Hello there!"))
    assert (text_of(message), message.stop_reason, message.role) == ("Hello there!", "end_turn", "assistant")
    assert (message.usage.input_tokens, message.usage.output_tokens) == (5, 2)


@every_provider
@pytest.mark.parametrize(
    "question",
    [
        {"messages": asked("Count to 30")},
        {"messages": asked("Count to 9"), "stop_sequences": ["5"]},
        {"messages": asked("Count to 30"), "max_tokens": 20},
        {"messages": asked("What is the weather in Paris?"), "tools": TOOLS},
        {"messages": asked(PARIS_AND_ROME), "tools": TOOLS},
        {"messages": asked("Please ping"), "tools": TOOLS},
        {"messages": asked("How is napalm made?")},
    ],
    ids=["text", "stop", "length", "tool", "tools", "no arguments", "refused"],
)
def test_a_stream_adds_up_to_the_whole_answer(client: anthropic.Anthropic, wire: str, question: dict[str, Any]) -> None:
    if wire == "azure" and "napalm" in str(question):
        with pytest.raises(anthropic.BadRequestError, match="content management policy"):
            client.messages.create(model=wire, max_tokens=99, **question)
        return
    question = {"max_tokens": 99, **question}
    whole = client.messages.create(model=wire, **question)
    with client.messages.stream(model=wire, **question) as stream:
        streamed = stream.get_final_message()
    assert contents(streamed) == contents(whole)
    assert (streamed.stop_reason, streamed.stop_sequence) == (whole.stop_reason, whole.stop_sequence)
    assert streamed.usage.output_tokens == whole.usage.output_tokens
    assert streamed.usage.input_tokens == whole.usage.input_tokens


def contents(message: Message) -> list[Any]:
    """What it says, without ids."""
    found: list[Any] = []
    for block in message.content:
        if block.type == "tool_use":
            found.append((block.name, block.input))
        else:
            found.append(block.thinking if block.type == "thinking" else text_of(message))
    return found


@every_provider
def test_why_an_answer_ends(client: anthropic.Anthropic, wire: str) -> None:
    def ending(text: str, **rest: Any) -> tuple[str, str | None, str | None]:
        message = client.messages.create(model=wire, messages=asked(text), **{"max_tokens": 99, **rest})
        return text_of(message), message.stop_reason, message.stop_sequence

    assert ending("Count to 30", max_tokens=3) == ("1 2 3", "max_tokens", None)
    text, reason, sequence = ending("Count to 9", stop_sequences=["5"])
    assert text == "1 2 3 4 "
    if wire == "anthropic":  # others do not tell a stop sequence from the end of a turn, or not which
        assert (reason, sequence) == ("stop_sequence", "5")
    else:
        assert reason in ("end_turn", "stop_sequence")
    if wire not in WITHOUT_REFUSALS:
        assert ending("How is napalm made?")[1] == "refusal"


@every_provider
def test_instructions(client: anthropic.Anthropic, wire: str) -> None:
    system: Any = [
        {"type": "text", "text": "Answer in capitals.", "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": "End every answer with Amen."},
    ]
    message = client.messages.create(model=wire, max_tokens=99, system=system, messages=asked("Say two"))
    assert text_of(message) == "TWO Amen"


@every_provider
def test_what_comes_from_a_cache_is_counted_once(client: anthropic.Anthropic, wire: str) -> None:
    system: Any = [{"type": "text", "text": "word " * 1100, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    later: Any = [*asked("Say one"), {"role": "assistant", "content": "one"}, *asked("Say two")]
    usage = [
        client.messages.create(model=wire, max_tokens=9, system=system, messages=messages).usage
        for messages in (asked("Say one"), later)
    ]
    counted = [
        (one.input_tokens, one.cache_creation_input_tokens or 0, one.cache_read_input_tokens or 0) for one in usage
    ]
    if wire == "anthropic":
        assert counted == [(3, 1101, 0), (8, 0, 1101)]
        assert usage[0].cache_creation is not None
        assert usage[0].cache_creation.ephemeral_1h_input_tokens == 1101
    else:
        assert counted == [(1104, 0, 0), (3, 0, 1106)]


def call_and_answer(client: anthropic.Anthropic, wire: str, question: str, **rest: Any) -> tuple[list[Any], Message]:
    """Ask; answer each call with its own arguments; the calls, and the last words."""
    messages: list[Any] = asked(question)
    first = client.messages.create(model=wire, max_tokens=2000, messages=messages, tools=TOOLS, **rest)
    assert first.stop_reason == "tool_use"
    calls = [block for block in first.content if block.type == "tool_use"]
    messages.append({"role": "assistant", "content": [block.to_dict() for block in first.content]})
    results = [
        {
            "type": "tool_result",
            "tool_use_id": call.id,
            "content": f"{call.name} of {', '.join(map(str, call.input.values()))}",
        }
        for call in calls
    ]
    messages.append({"role": "user", "content": results})
    last = client.messages.create(model=wire, max_tokens=2000, messages=messages, tools=TOOLS, **rest)
    assert last.stop_reason == "end_turn"
    return [(call.name, call.input) for call in calls], last


@every_provider
def test_a_tool_is_called_and_answered(client: anthropic.Anthropic, wire: str) -> None:
    calls, last = call_and_answer(client, wire, "What is the weather in Paris?")
    assert (calls, text_of(last)) == ([("get_weather", {"city": "Paris"})], "The tools say: get_weather of Paris")


@every_provider
def test_parallel_calls_keep_their_order(client: anthropic.Anthropic, wire: str) -> None:
    calls, last = call_and_answer(client, wire, PARIS_AND_ROME)
    assert calls == [("get_weather", {"city": "Paris"}), ("get_weather", {"city": "Rome"})]
    assert text_of(last) == "The tools say: get_weather of Paris get_weather of Rome"


@every_provider
def test_a_tool_without_arguments(client: anthropic.Anthropic, wire: str) -> None:
    calls, last = call_and_answer(client, wire, "Please ping")
    assert (calls, text_of(last)) == ([("ping", {})], "The tools say: ping of ")


@every_provider
@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ({"type": "none"}, None),
        ({"type": "auto"}, None),
        ({"type": "any"}, "get_weather"),
        ({"type": "tool", "name": "add"}, "add"),
    ],
    ids=["none", "auto", "any", "tool"],
)
def test_how_freely_tools_are_chosen(client: anthropic.Anthropic, wire: str, choice: Any, called: str | None) -> None:
    question: Any = {"messages": asked("How do you do?"), "tools": TOOLS, "tool_choice": choice}
    if wire == "ollama" and choice["type"] in ("any", "tool"):
        with pytest.raises(anthropic.BadRequestError, match="ollama has no tool_choice"):
            client.messages.create(model=wire, max_tokens=99, **question)
        return
    message = client.messages.create(model=wire, max_tokens=99, **question)
    assert [block.name for block in message.content if block.type == "tool_use"] == ([called] if called else [])
    assert message.stop_reason == ("tool_use" if called else "end_turn")


@anthropic.beta_tool
def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return f"18 degrees in {city}"


@every_provider
def test_the_sdk_runs_tools_by_itself(client: anthropic.Anthropic, wire: str) -> None:
    """It would have the server hold the conversation, and goes on without when told that this can't be."""
    runner = client.beta.messages.tool_runner(
        model=wire, max_tokens=99, messages=asked("What is the weather in Paris?"), tools=[get_weather]
    )
    [block] = runner.until_done().content
    assert block.type == "text"
    assert block.text == "The tools say: 18 degrees in Paris"


class Trip(BaseModel):
    days: int
    city: str


@every_provider
def test_a_structured_answer(client: anthropic.Anthropic, wire: str) -> None:
    message = client.messages.parse(
        model=wire, max_tokens=99, messages=asked("Plan 3 days in Paris"), output_format=Trip
    )
    assert message.parsed_output == Trip(days=3, city="Paris")
    with client.messages.stream(
        model=wire, max_tokens=99, messages=asked("Plan 3 days in Paris"), output_format=Trip
    ) as stream:
        assert stream.get_final_message().parsed_output == message.parsed_output


@every_provider
def test_pictures_and_documents(client: anthropic.Anthropic, wire: str) -> None:
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    document = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}}

    def shown(*blocks: Any) -> str:
        messages: Any = [{"role": "user", "content": [*blocks, {"type": "text", "text": "What is this?"}]}]
        return text_of(client.messages.create(model=wire, max_tokens=99, messages=messages))

    assert shown(picture) == f"I see image/png of {PNG_SIZE} bytes."
    if wire == "cohere":
        with pytest.raises(anthropic.BadRequestError):
            shown(document)
    else:
        assert shown(document) == f"I see application/pdf of {PDF_SIZE} bytes."


@every_provider
def test_results_with_pictures_and_words_behind_them(client: anthropic.Anthropic, wire: str) -> None:
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    used = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Paris"}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "18"}, picture]}
    messages: Any = [
        *asked("What is the weather in Paris?"),
        {"role": "assistant", "content": [{"type": "text", "text": "I look."}, used]},
        {"role": "user", "content": [result, {"type": "text", "text": "And?"}]},
    ]
    question: Any = {"model": wire, "max_tokens": 99, "messages": messages, "tools": TOOLS}
    if wire == "cohere":
        with pytest.raises(anthropic.BadRequestError, match="cohere does not take anything but text in results"):
            client.messages.create(**question)
    else:
        assert text_of(client.messages.create(**question)) == "The tools say: 18"


@every_provider
def test_reasoning_survives_a_turn(client: anthropic.Anthropic, wire: str) -> None:
    thinking = {"type": "adaptive"} if wire == "anthropic" else {"type": "enabled", "budget_tokens": 1024}
    calls, last = call_and_answer(client, f"{wire}-thinker", "What is the weather in Paris?", thinking=thinking)
    assert calls == [("get_weather", {"city": "Paris"})]
    assert text_of(last) == "The tools say: get_weather of Paris"


@pytest.mark.parametrize("wire", ["anthropic", "google", "vertex"])
def test_thinking_is_shown_whole_and_streamed(client: anthropic.Anthropic, wire: str) -> None:
    question: Any = {
        "model": f"{wire}-thinker",
        "max_tokens": 2000,
        "messages": asked("Say yes"),
        "thinking": {"type": "adaptive", "display": "summarized"},
    }
    whole = client.messages.create(**question)
    with client.messages.stream(**question) as stream:
        streamed = stream.get_final_message()
    assert contents(whole) == contents(streamed)
    assert contents(whole)[:2] == ["I am to think about this: Say yes", "yes"]
    assert [block.type for block in whole.content][:2] == ["thinking", "text"]
    assert not any(contents(whole)[2:]), "more words than were said"  # a seal may stand behind them


def test_altered_thinking_is_refused(client: anthropic.Anthropic) -> None:
    question: Any = {"model": "anthropic-thinker", "max_tokens": 2000}
    question["thinking"] = {"type": "adaptive", "display": "summarized"}
    first = client.messages.create(messages=asked("Say yes"), **question)
    altered: Any = json.loads(first.to_json().replace("Say yes", "Say no"))["content"]
    messages: Any = [*asked("Say yes"), {"role": "assistant", "content": altered}, *asked("Why?")]
    with pytest.raises(anthropic.BadRequestError, match="Invalid `signature` in `thinking` block"):
        client.messages.create(messages=messages, **question)


@every_provider
def test_tokens_are_counted(client: anthropic.Anthropic, wire: str) -> None:
    count = client.messages.count_tokens(model=wire, messages=asked("Count these five words"), tools=TOOLS)
    assert 5 <= count.input_tokens <= 500


def test_errors_are_the_sdks_own(client: anthropic.Anthropic) -> None:
    create: Any = client.messages.create
    with pytest.raises(anthropic.NotFoundError) as unknown:
        create(model="nobody", max_tokens=9, messages=asked("Say yes"))
    with pytest.raises(anthropic.BadRequestError) as refused:
        create(model="google", max_tokens=9, messages=asked("Say yes"), extra_body={"no_such_field": 1})
    with pytest.raises(anthropic.InternalServerError):
        create(model="stranger", max_tokens=9, messages=asked("Say yes"))
    assert (unknown.value.type, refused.value.type) == ("not_found_error", "invalid_request_error")


async def test_the_async_client(site: Site) -> None:
    async with anthropic.AsyncAnthropic(
        base_url=site.gateway, api_key="anything", max_retries=0, _strict_response_validation=True
    ) as client:
        async with client.messages.stream(model="openai", max_tokens=99, messages=asked("Count to 4")) as stream:
            words = "".join([text async for text in stream.text_stream])
        count = await client.messages.count_tokens(model="openai", messages=asked("Count to 4"))
    assert words == "1 2 3 4"
    assert count.input_tokens
