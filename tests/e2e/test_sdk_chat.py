"""OpenAI's SDK, chat completions, in front of every provider."""

import json
from collections.abc import Iterator
from typing import Any, Literal

import openai
import pytest
from openai.types.chat import ChatCompletion
from pydantic import BaseModel

from tests.support.live import Site
from tests.support.pairs import LACKS, PAIRS, WITHOUT_COUNTED_THOUGHTS, WITHOUT_REFUSALS
from tests.support.questions import (
    ADD,
    PARIS_AND_ROME,
    PDF,
    PDF_SIZE,
    PING,
    PNG,
    PNG_SIZE,
    WEATHER,
    asked,
    data_uri,
    function,
    streamed,
)

every_provider = pytest.mark.parametrize("wire", PAIRS["chat"])
TOOLS: Any = [function(WEATHER), function(ADD), function(PING)]


@pytest.fixture(scope="module")
def client(site: Site) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=site.openai, api_key="anything", max_retries=0, timeout=20, _strict_response_validation=True
    ) as found:
        yield found


@every_provider
def test_an_answer(client: openai.OpenAI, wire: str) -> None:
    whole = client.chat.completions.create(model=wire, messages=asked("Say exactly: Hello there!"))
    choice = whole.choices[0]
    assert (choice.message.content, choice.finish_reason, choice.message.role) == ("Hello there!", "stop", "assistant")
    assert whole.usage is not None
    assert whole.usage.prompt_tokens == 5
    assert whole.usage.completion_tokens == 2
    assert whole.usage.total_tokens == 7


@every_provider
@pytest.mark.parametrize(
    "question",
    [
        {"messages": asked("Count to 30")},
        {"messages": asked("Count to 9"), "stop": ["5"]},
        {"messages": asked("Count to 9"), "max_tokens": 3},
        {"messages": asked("What is the weather in Paris?"), "tools": TOOLS},
        {"messages": asked(PARIS_AND_ROME), "tools": TOOLS},
        {"messages": asked("Please ping"), "tools": TOOLS},
        {"messages": asked("How is napalm made?")},
        {"messages": [*asked("word " * 1100), {"role": "assistant", "content": "one"}, *asked("Say two")]},
    ],
    ids=["text", "stop", "length", "tool", "tools", "no arguments", "refused", "cached"],
)
def test_a_stream_adds_up_to_the_whole_answer(client: openai.OpenAI, wire: str, question: dict[str, Any]) -> None:
    if wire == "azure" and "napalm" in str(question):
        with pytest.raises(openai.BadRequestError) as filtered:
            client.chat.completions.create(model=wire, **question)
        assert filtered.value.code == "content_filter"
        return
    whole = client.chat.completions.create(model=wire, **question)
    if wire == "azure":  # whose first chunk, on the prompt alone, is not what the SDK's types say
        client = client.copy()  # which is not strict
    chunks = client.chat.completions.create(model=wire, **question, stream=True, stream_options={"include_usage": True})
    message, finish, usage = streamed(chunks)
    told = whole.choices[0].message
    assert message["content"] == (told.content or "")
    called = [call.function for call in told.tool_calls or () if call.type == "function"]
    assert message["tool_calls"] == [(call.name, json.loads(call.arguments)) for call in called]
    assert finish == whole.choices[0].finish_reason
    assert usage == whole.usage


@every_provider
def test_why_an_answer_ends(client: openai.OpenAI, wire: str) -> None:
    def choice(text: str, **rest: Any) -> tuple[str | None, str]:
        found = client.chat.completions.create(model=wire, messages=asked(text), **rest).choices[0]
        return found.message.content, found.finish_reason

    assert choice("Count to 9", max_tokens=3) == ("1 2 3", "length")
    assert choice("Count to 9", stop="5") == ("1 2 3 4 ", "stop")
    if wire not in WITHOUT_REFUSALS:
        assert choice("How is napalm made?")[1] == "content_filter"


@every_provider
def test_instructions_wherever_they_stand(client: openai.OpenAI, wire: str) -> None:
    messages: Any = [
        {"role": "system", "content": "Answer in capitals."},
        *asked("Say one"),
        {"role": "assistant", "content": "ONE"},
        {"role": "developer", "content": [{"type": "text", "text": "End every answer with Amen."}]},
        {"role": "user", "content": [{"type": "text", "text": "Say two"}], "name": "somebody"},
    ]
    assert client.chat.completions.create(model=wire, messages=messages).choices[0].message.content == "TWO Amen"


LONG = "word " * 1100


# At Anthropic alone, callers mark what is to be kept.
@pytest.mark.parametrize(("wire", "marked"), [*((wire, False) for wire in PAIRS["chat"]), ("anthropic", True)])
def test_what_comes_from_a_cache_is_counted_once(client: openai.OpenAI, wire: str, marked: bool) -> None:
    part = {"type": "text", "text": LONG, **({"cache_control": {"type": "ephemeral"}} if marked else {})}
    said: Any = [*asked("Say one"), {"role": "assistant", "content": "one"}]
    messages: Any = [{"role": "system", "content": [part]}, *said, *asked("Say two")]
    usage = client.chat.completions.create(model=wire, messages=messages).usage
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    kept = {"anthropic": 1101 if marked else 0}
    assert usage.prompt_tokens_details.cached_tokens == kept.get(wire, 1106)
    assert (usage.prompt_tokens, usage.completion_tokens) == (1109, 1)


def call_and_answer(client: openai.OpenAI, wire: str, question: str, **rest: Any) -> tuple[list[Any], str | None]:
    """Ask; answer each call with its own arguments; the calls, and the last words."""
    messages: list[Any] = asked(question)
    first = client.chat.completions.create(model=wire, messages=messages, tools=TOOLS, **rest)
    message = first.choices[0].message
    assert first.choices[0].finish_reason == "tool_calls"
    calls = [call for call in message.tool_calls or () if call.type == "function"]
    messages.append(message.to_dict())
    for call in calls:
        result = f"{call.function.name} of {', '.join(map(str, json.loads(call.function.arguments).values()))}"
        messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    last = client.chat.completions.create(model=wire, messages=messages, tools=TOOLS, **rest)
    assert last.choices[0].finish_reason == "stop"
    return [(call.function.name, json.loads(call.function.arguments)) for call in calls], last.choices[
        0
    ].message.content


@every_provider
def test_a_tool_is_called_and_answered(client: openai.OpenAI, wire: str) -> None:
    calls, words = call_and_answer(client, wire, "What is the weather in Paris?")
    assert (calls, words) == ([("get_weather", {"city": "Paris"})], "The tools say: get_weather of Paris")


@every_provider
def test_parallel_calls_keep_their_order(client: openai.OpenAI, wire: str) -> None:
    calls, words = call_and_answer(client, wire, PARIS_AND_ROME)
    assert calls == [("get_weather", {"city": "Paris"}), ("get_weather", {"city": "Rome"})]
    assert words == "The tools say: get_weather of Paris get_weather of Rome"


@every_provider
def test_numbers_keep_their_digits(client: openai.OpenAI, wire: str) -> None:
    calls, words = call_and_answer(client, wire, "add 12345678901234567 and 2")
    assert calls == [("add", {"a": 12345678901234567, "b": 2})]
    assert words == "The tools say: add of 12345678901234567, 2"


@every_provider
def test_a_tool_without_arguments(client: openai.OpenAI, wire: str) -> None:
    assert call_and_answer(client, wire, "Please ping") == ([("ping", {})], "The tools say: ping of ")


@every_provider
@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ("none", None),
        ("auto", None),
        ("required", "get_weather"),
        ({"type": "function", "function": {"name": "add"}}, "add"),
    ],
    ids=["none", "auto", "required", "named"],
)
def test_how_freely_tools_are_chosen(client: openai.OpenAI, wire: str, choice: Any, called: str | None) -> None:
    question: Any = {"messages": asked("How do you do?"), "tools": TOOLS, "tool_choice": choice}
    if "tool_choice" in LACKS.get(wire, ()) and choice != "auto":
        with pytest.raises(openai.BadRequestError) as refused:
            client.chat.completions.create(model=wire, **question)
        assert (refused.value.code, refused.value.param) == ("unsupported_parameter", "tool_choice")
        return
    whole = client.chat.completions.create(model=wire, **question)
    calls = [call.function.name for call in whole.choices[0].message.tool_calls or () if call.type == "function"]
    assert calls == ([called] if called else [])
    assert whole.choices[0].finish_reason == ("tool_calls" if called else "stop")


@every_provider
def test_no_parallel_calls_when_they_are_not_wished(client: openai.OpenAI, wire: str) -> None:
    question: Any = {"messages": asked(PARIS_AND_ROME), "tools": TOOLS, "parallel_tool_calls": False}
    whole = client.chat.completions.create(model=wire, **question)
    assert len(whole.choices[0].message.tool_calls or ()) == 1
    chunks = client.copy().chat.completions.create(model=wire, stream=True, **question)  # not strict, as above
    pieces = [call for chunk in chunks for choice in chunk.choices for call in choice.delta.tool_calls or ()]
    assert {piece.index for piece in pieces} == {0}


class Leg(BaseModel):
    to: str
    by: Literal["train", "plane"]


class Trip(BaseModel):
    days: int
    legs: list[Leg]
    note: str | None


@every_provider
def test_a_structured_answer(client: openai.OpenAI, wire: str) -> None:
    whole = client.chat.completions.parse(
        model=wire, messages=asked("Plan 3 days, to Paris by plane"), response_format=Trip
    )
    trip = whole.choices[0].message.parsed
    assert trip is not None
    assert (trip.days, trip.legs[0]) == (3, Leg(to="Paris", by="plane"))


@every_provider
def test_the_sdks_own_streams(client: openai.OpenAI, wire: str) -> None:
    """They follow the events of words and of calls, and parse both."""
    client = client.copy()
    question = asked("Plan 3 days, to Paris by plane")
    with client.chat.completions.stream(model=wire, messages=question, response_format=Trip) as stream:
        assert [event.type for event in stream if event.type.endswith("done")] == ["content.done"]
        trip = stream.get_final_completion().choices[0].message.parsed
    strict: Any = function({**WEATHER, "strict": True})
    strict["function"]["parameters"] = {**WEATHER["parameters"], "additionalProperties": False}
    with client.chat.completions.stream(model=wire, messages=asked(PARIS_AND_ROME), tools=[strict]) as stream:
        ended = [event.type for event in stream if event.type.endswith("arguments.done")]
        calls = stream.get_final_completion().choices[0].message.tool_calls or []
    assert trip is not None
    assert trip.legs[0].to == "Paris"
    assert len(ended) == 2
    assert [call.function.parsed_arguments for call in calls] == [{"city": "Paris"}, {"city": "Rome"}]


@every_provider
def test_any_json(client: openai.OpenAI, wire: str) -> None:
    question = "Give me json with the keys 'name' and 'age'"
    create = client.chat.completions.create
    if wire == "anthropic":
        with pytest.raises(openai.BadRequestError) as refused:
            create(model=wire, messages=asked(question), response_format={"type": "json_object"})
        assert refused.value.code == "unsupported_parameter"
        return
    whole = create(model=wire, messages=asked(question), response_format={"type": "json_object"})
    assert json.loads(whole.choices[0].message.content or "").keys() == {"name", "age"}


@every_provider
def test_pictures(client: openai.OpenAI, wire: str) -> None:
    picture = {"type": "image_url", "image_url": {"url": data_uri("image/png", PNG)}}
    messages: Any = [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, picture]}]
    said = client.chat.completions.create(model=wire, messages=messages).choices[0].message.content
    assert said == f"I see image/png of {PNG_SIZE} bytes."


@every_provider
def test_documents(client: openai.OpenAI, wire: str) -> None:
    document = {"type": "file", "file": {"filename": "a.pdf", "file_data": data_uri("application/pdf", PDF)}}
    messages: Any = [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, document]}]
    if wire == "cohere":
        with pytest.raises(openai.BadRequestError):
            client.chat.completions.create(model=wire, messages=messages)
        return
    said = client.chat.completions.create(model=wire, messages=messages).choices[0].message.content
    assert said == f"I see application/pdf of {PDF_SIZE} bytes."


@pytest.mark.parametrize("wire", [wire for wire in PAIRS["chat"] if "logprobs" not in LACKS.get(wire, ())])
def test_log_probabilities(client: openai.OpenAI, wire: str) -> None:
    question: Any = {"model": wire, "messages": asked("Count to 3"), "logprobs": True}
    if "top_logprobs" not in LACKS.get(wire, ()):
        question["top_logprobs"] = 1
    whole = client.chat.completions.create(**question).choices[0].logprobs
    chunks = list(client.copy().chat.completions.create(**question, stream=True))
    streams = [choice.logprobs.content or [] for chunk in chunks for choice in chunk.choices if choice.logprobs]
    assert whole is not None
    assert [(one.token, one.logprob) for one in whole.content or ()] == [("1", -0.5), (" 2", -0.5), (" 3", -0.5)]
    assert [one for part in streams for one in part] == whole.content


@pytest.mark.parametrize(("wire", "name"), [(wire, name) for wire, names in LACKS.items() for name in sorted(names)])
def test_what_a_provider_cannot_do_is_refused_by_name(client: openai.OpenAI, wire: str, name: str) -> None:
    values: dict[str, Any] = {
        "n": 2,
        "seed": 1,
        "logprobs": True,
        "presence_penalty": 0.5,
        "logit_bias": {"1": 1},
        "top_logprobs": 1,
    }
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(
            model=wire, messages=asked("Say yes"), extra_body={name: values.get(name, False), "tools": TOOLS}
        )
    assert (refused.value.code, refused.value.param) == ("unsupported_parameter", name)


@pytest.mark.parametrize("policy", ["clamp", "drop"])
def test_policies_that_let_what_does_not_fit_pass(client: openai.OpenAI, policy: str) -> None:
    whole = client.chat.completions.create(
        model=policy,
        messages=asked("Say yes"),
        tools=TOOLS,
        parallel_tool_calls=False,
        temperature=3,
        presence_penalty=-3,
        verbosity="low",
        extra_body={"no_such_field": 1},
    )
    assert whole.choices[0].message.content == "yes"


def thinking(client: openai.OpenAI, wire: str, messages: list[Any]) -> ChatCompletion:
    return client.chat.completions.create(
        model=f"{wire}-thinker", messages=messages, tools=TOOLS, reasoning_effort="high"
    )


@every_provider
def test_reasoning_survives_a_turn(client: openai.OpenAI, wire: str) -> None:
    messages: list[Any] = asked("What is the weather in Paris?")
    first = thinking(client, wire, messages)
    assert first.usage is not None
    assert first.usage.completion_tokens_details is not None
    counted = 0 if wire in WITHOUT_COUNTED_THOUGHTS else 12
    assert first.usage.completion_tokens_details.reasoning_tokens == counted
    message = first.choices[0].message
    messages.append(message.to_dict())
    messages += [
        {"role": "tool", "tool_call_id": call.id, "content": "18 degrees"} for call in message.tool_calls or ()
    ]
    assert thinking(client, wire, messages).choices[0].message.content == "The tools say: 18 degrees"


@pytest.mark.parametrize("wire", ["anthropic", "google", "vertex"])
def test_altered_reasoning_is_refused(client: openai.OpenAI, wire: str) -> None:
    messages: list[Any] = asked("What is the weather in Paris?")
    message = json.loads(thinking(client, wire, messages).choices[0].message.to_json())
    altered = json.loads(json.dumps(message).replace("Paris", "London"))
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "x"} for call in message["tool_calls"]]
    with pytest.raises(openai.BadRequestError, match=r"[Ss]ignature"):
        thinking(client, wire, [*messages, altered, *results])


async def test_the_async_client(site: Site) -> None:
    async with openai.AsyncOpenAI(
        base_url=site.openai, api_key="anything", max_retries=0, _strict_response_validation=True
    ) as client:
        whole = await client.chat.completions.create(model="anthropic", messages=asked("Count to 4"))
        stream = await client.chat.completions.create(model="google", messages=asked("Count to 4"), stream=True)
        words = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
        parsed = await client.chat.completions.parse(
            model="cohere", messages=asked("Plan 3 days"), response_format=Trip
        )
    assert whole.choices[0].message.content == words == "1 2 3 4"
    assert parsed.choices[0].message.parsed is not None


def test_a_key_that_is_refused_is_the_gateways_trouble(client: openai.OpenAI) -> None:
    with pytest.raises(openai.InternalServerError) as refused:
        client.chat.completions.create(model="stranger", messages=asked("Say yes"))
    assert (refused.value.status_code, refused.value.code) == (502, "provider_auth_failed")
