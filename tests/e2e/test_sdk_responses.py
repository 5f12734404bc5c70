"""OpenAI's SDK, Responses, in front of every provider; nothing is stored."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel

from tests.support.live import Site
from tests.support.pairs import LACKS, PAIRS, WITHOUT_COUNTED_THOUGHTS
from tests.support.questions import ADD, PARIS_AND_ROME, PDF, PDF_SIZE, PING, PNG, PNG_SIZE, WEATHER, asked, data_uri

every_provider = pytest.mark.parametrize("wire", PAIRS["responses"])
TOOLS: Any = [{"type": "function", "strict": False, **tool} for tool in (WEATHER, ADD, PING)]


@pytest.fixture(scope="module")
def client(site: Site) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=site.openai, api_key="anything", max_retries=0, timeout=20, _strict_response_validation=True
    ) as found:
        yield found


@every_provider
def test_an_answer(client: openai.OpenAI, wire: str) -> None:
    response = client.responses.create(model=wire, input="Say exactly: Hello there!", store=False)
    assert (response.output_text, response.status, response.error) == ("Hello there!", "completed", None)
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.output_tokens, response.usage.total_tokens) == (5, 2, 7)


def said(response: Response) -> list[Any]:
    """What is in it, without ids."""
    found: list[Any] = []
    for item in response.output:
        if item.type == "function_call":
            found.append((item.name, json.loads(item.arguments)))
        elif item.type == "message":
            found += [part.text if part.type == "output_text" else ("refusal", part.refusal) for part in item.content]
        elif item.type == "reasoning":
            found += [("thought", part.text) for part in item.summary]
    return found


def followed(events: list[ResponseStreamEvent]) -> tuple[Response, list[str]]:
    """The response at the end, and the texts that came in pieces; checks numbers and order on the way."""
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type for event in events[:2]] == ["response.created", "response.in_progress"]
    texts: dict[tuple[int, int], str] = {}
    begun: list[int] = []
    for event in events:
        if event.type == "response.output_item.added":
            begun.append(event.output_index)
        elif event.type == "response.output_text.delta":
            place = event.output_index, event.content_index
            texts[place] = texts.get(place, "") + event.delta
        elif event.type == "response.output_text.done":
            assert texts[event.output_index, event.content_index] == event.text
    assert begun == list(range(len(begun)))
    last = events[-1]
    assert last.type in ("response.completed", "response.incomplete")
    assert len(last.response.output) == len(begun)
    return last.response, list(texts.values())


@every_provider
@pytest.mark.parametrize(
    "question",
    [
        {"input": "Count to 30"},
        {"input": "Count to 30", "max_output_tokens": 20},
        {"input": "What is the weather in Paris?", "tools": TOOLS},
        {"input": PARIS_AND_ROME, "tools": TOOLS},
        {"input": "Please ping", "tools": TOOLS},
        {"input": "How is napalm made?"},
    ],
    ids=["text", "length", "tool", "tools", "no arguments", "refused"],
)
def test_a_stream_adds_up_to_the_whole_answer(client: openai.OpenAI, wire: str, question: dict[str, Any]) -> None:
    if wire == "azure" and "napalm" in str(question):
        with pytest.raises(openai.BadRequestError):
            client.responses.create(model=wire, **question)
        return
    whole = client.responses.create(model=wire, **question)
    response, texts = followed(list(client.responses.create(model=wire, **question, stream=True)))
    assert said(response) == said(whole)
    assert texts == [text for text in said(whole) if isinstance(text, str)]
    assert (response.status, response.incomplete_details) == (whole.status, whole.incomplete_details)
    assert response.usage == whole.usage
    if "max_output_tokens" in question:
        assert whole.incomplete_details is not None
        assert (whole.status, whole.incomplete_details.reason) == ("incomplete", "max_output_tokens")


@every_provider
def test_instructions_and_items(client: openai.OpenAI, wire: str) -> None:
    items: Any = [
        {"role": "developer", "content": "Answer in capitals."},
        *asked("Say one"),
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "ONE"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Say two"}]},
    ]
    response = client.responses.create(model=wire, instructions="End every answer with Amen.", input=items)
    assert response.output_text == "TWO Amen"


def call_and_answer(client: openai.OpenAI, wire: str, question: str, **rest: Any) -> tuple[list[Any], Response]:
    """Ask; answer each call with its own arguments; the calls, and the last words."""
    items: list[Any] = asked(question)
    first = client.responses.create(model=wire, input=items, tools=TOOLS, store=False, **rest)
    items += [item.to_dict() for item in first.output]
    calls = [item for item in first.output if item.type == "function_call"]
    for call in calls:
        result = f"{call.name} of {', '.join(map(str, json.loads(call.arguments).values()))}"
        items.append({"type": "function_call_output", "call_id": call.call_id, "output": result})
    last = client.responses.create(model=wire, input=items, tools=TOOLS, store=False, **rest)
    return [(call.name, json.loads(call.arguments)) for call in calls], last


@every_provider
def test_a_tool_is_called_and_answered(client: openai.OpenAI, wire: str) -> None:
    calls, last = call_and_answer(client, wire, "What is the weather in Paris?")
    assert (calls, last.output_text) == ([("get_weather", {"city": "Paris"})], "The tools say: get_weather of Paris")


@every_provider
def test_parallel_calls_keep_their_order(client: openai.OpenAI, wire: str) -> None:
    calls, last = call_and_answer(client, wire, PARIS_AND_ROME)
    assert calls == [("get_weather", {"city": "Paris"}), ("get_weather", {"city": "Rome"})]
    assert last.output_text == "The tools say: get_weather of Paris get_weather of Rome"


@every_provider
@pytest.mark.parametrize(
    ("choice", "called"),
    [("none", []), ("auto", []), ("required", ["get_weather"]), ({"type": "function", "name": "add"}, ["add"])],
    ids=["none", "auto", "required", "named"],
)
def test_how_freely_tools_are_chosen(client: openai.OpenAI, wire: str, choice: Any, called: list[str]) -> None:
    question: Any = {"input": "How do you do?", "tools": TOOLS, "tool_choice": choice}
    if "tool_choice" in LACKS.get(wire, ()) and called:
        with pytest.raises(openai.BadRequestError, match="has no tool_choice"):
            client.responses.create(model=wire, **question)
        return
    response = client.responses.create(model=wire, **question)
    assert [item.name for item in response.output if item.type == "function_call"] == called


class Trip(BaseModel):
    days: int
    city: str


@every_provider
def test_a_structured_answer(client: openai.OpenAI, wire: str) -> None:
    response = client.responses.parse(model=wire, input="Plan 3 days in Paris", text_format=Trip)
    assert response.output_parsed == Trip(days=3, city="Paris")


@every_provider
def test_pictures_and_documents(client: openai.OpenAI, wire: str) -> None:
    picture = {"type": "input_image", "detail": "auto", "image_url": data_uri("image/png", PNG)}
    document = {"type": "input_file", "filename": "a.pdf", "file_data": data_uri("application/pdf", PDF)}

    def shown(part: Any) -> str:
        items: Any = [{"role": "user", "content": [{"type": "input_text", "text": "What is this?"}, part]}]
        return client.responses.create(model=wire, input=items).output_text

    assert shown(picture) == f"I see image/png of {PNG_SIZE} bytes."
    if wire == "cohere":
        with pytest.raises(openai.BadRequestError):
            shown(document)
    else:
        assert shown(document) == f"I see application/pdf of {PDF_SIZE} bytes."


@every_provider
def test_reasoning_survives_a_turn(client: openai.OpenAI, wire: str) -> None:
    wish: Any = {"reasoning": {"effort": "high"}, "include": ["reasoning.encrypted_content"]}
    calls, last = call_and_answer(client, f"{wire}-thinker", "What is the weather in Paris?", **wish)
    assert (calls, last.output_text) == ([("get_weather", {"city": "Paris"})], "The tools say: get_weather of Paris")
    assert last.usage is not None
    counted = 0 if wire in WITHOUT_COUNTED_THOUGHTS else 9
    assert last.usage.output_tokens_details.reasoning_tokens == counted


@pytest.mark.parametrize("wire", ["openai", "anthropic", "google", "vertex"])
def test_summaries_are_shown_whole_and_streamed(client: openai.OpenAI, wire: str) -> None:
    question: Any = {"model": f"{wire}-thinker", "input": "Say yes", "reasoning": {"effort": "high", "summary": "auto"}}
    whole = client.responses.create(**question)
    response, _ = followed(list(client.responses.create(**question, stream=True)))
    assert said(whole) == said(response) == [("thought", "I am to think about this: Say yes"), "yes"]


@every_provider
def test_kept_state_is_refused(client: openai.OpenAI, wire: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model=wire, input="Say yes", previous_response_id="resp_1")
    assert refused.value.param == "previous_response_id"


async def test_the_async_client(site: Site) -> None:
    async with openai.AsyncOpenAI(
        base_url=site.openai, api_key="anything", max_retries=0, _strict_response_validation=True
    ) as client:
        async with client.responses.stream(model="anthropic", input="Count to 4") as stream:
            words = "".join([event.delta async for event in stream if event.type == "response.output_text.delta"])
            final = await stream.get_final_response()
    assert words == final.output_text == "1 2 3 4"
