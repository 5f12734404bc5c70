"""The model server by itself: the providers' own clients find in it what their references promise."""

import asyncio
import re
import sys
from pathlib import Path
from typing import Any, Literal

import anthropic
import httpx
import openai
import pytest
from google import genai
from google.genai import errors, types
from pydantic import BaseModel

from tests.support.live import Site
from tests.support.model_server.brain import answer
from tests.support.model_server.conversation import Conversation, Finish, Tool, Turn
from tests.support.model_server.exchange import KEY
from tests.support.model_server.schemas import instance

ROOT = Path(__file__).parents[2]
HELLO: Any = [{"role": "user", "content": "Say exactly: Hello there!"}]
WEATHER = Tool(
    "get_weather",
    "Get the weather of a city.",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)


def asked(text: str, **rest: Any) -> Conversation:
    return Conversation((Turn("user", text),), **rest)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Say exactly: Hello there!", "Hello there!"),
        ("Repeat after me: 'one two'", "one two"),
        ("Count to 4", "1 2 3 4"),
        ("Anything else", "You said: Anything else"),
    ],
)
def test_it_does_what_it_is_told(text: str, said: str) -> None:
    assert answer(asked(text)).text == said


def test_it_obeys_its_instructions() -> None:
    turns = (Turn("system", "Answer in capitals. End every answer with Amen."), Turn("user", "Say yes"))
    assert answer(Conversation(turns)).text == "YES Amen"


def test_it_stops_where_it_is_told() -> None:
    stopped, cut = answer(asked("Count to 9", stop=("5",))), answer(asked("Count to 9", max_tokens=3))
    assert (stopped.text, stopped.finish, stopped.stop_sequence) == ("1 2 3 4 ", Finish.STOPPED, "5")
    assert (cut.text, cut.finish, cut.answer_tokens) == ("1 2 3", Finish.CUT, 3)


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("What is the weather in Paris?", [{"city": "Paris"}]),
        ("What is the weather in Paris and in Rome?", [{"city": "Paris"}, {"city": "Rome"}]),
        ("How do you do?", []),
    ],
)
def test_it_calls_the_tools_that_are_asked_for(text: str, arguments: list[dict[str, Any]]) -> None:
    assert [call.arguments for call in answer(asked(text, tools=(WEATHER,))).calls] == arguments


def test_it_calls_a_tool_when_it_must_and_none_when_it_may_not() -> None:
    assert answer(asked("How do you do?", tools=(WEATHER,), choice="required")).calls
    assert not answer(asked("The weather in Paris?", tools=(WEATHER,), choice="none")).calls


def test_what_it_makes_of_a_schema_satisfies_it() -> None:
    class Leg(BaseModel):
        to: str
        by: Literal["train", "plane"]

    class Trip(BaseModel):
        days: int
        legs: list[Leg]
        note: str | None
        price: float = 0

    made = instance(Trip.model_json_schema(), "Plan 3 days, to Paris by plane")
    trip = Trip.model_validate(made, strict=True)
    assert (trip.days, trip.legs[0].to, trip.legs[0].by) == (3, "Paris", "plane")


def test_openai_finds_its_own(site: Site) -> None:
    url = f"{site.models}/openai/v1"
    with openai.OpenAI(base_url=url, api_key=KEY, max_retries=0, _strict_response_validation=True) as client:
        whole = client.chat.completions.create(model="gpt-4o-mini", messages=HELLO)
        stream = client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, stream=True)
        assert whole.choices[0].message.content == "Hello there!"
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "Hello there!"
        response = client.responses.create(model="gpt-5", input="Say yes", reasoning={"summary": "auto"})
        assert (response.output_text, response.output[0].type) == ("yes", "reasoning")
        assert client.embeddings.create(model="text-embedding-3-small", input="x", encoding_format="float").data
        assert "gpt-5" in [model.id for model in client.models.list()]
        with pytest.raises(openai.BadRequestError, match="Unrecognized request argument supplied: foo"):
            client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, extra_body={"foo": 1})
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=url, api_key="sk-other", max_retries=0).models.list()


def test_azure_finds_its_own(site: Site) -> None:
    with openai.AzureOpenAI(
        azure_endpoint=f"{site.models}/azure", api_key=KEY, api_version="2024-10-21", max_retries=0
    ) as client:
        assert (
            client.chat.completions.create(model="chat-deployment", messages=HELLO).choices[0].finish_reason == "stop"
        )
        with pytest.raises(openai.BadRequestError) as filtered:
            client.chat.completions.create(model="chat-deployment", messages=[{"role": "user", "content": "napalm"}])
        assert filtered.value.code == "content_filter"
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(model="gpt-4o-mini", messages=HELLO)


def test_anthropic_finds_its_own(site: Site) -> None:
    with anthropic.Anthropic(
        base_url=f"{site.models}/anthropic", api_key=KEY, max_retries=0, _strict_response_validation=True
    ) as client:
        whole = client.messages.create(model="claude-opus-5", max_tokens=99, messages=HELLO)
        with client.messages.stream(model="claude-opus-5", max_tokens=99, messages=HELLO) as stream:
            streamed = stream.get_final_message()
        assert [block.type for block in whole.content] == ["thinking", "text"]
        assert streamed.usage == whole.usage
        assert [block.to_dict() for block in streamed.content] == [block.to_dict() for block in whole.content]
        assert client.messages.count_tokens(model="claude-opus-5", messages=HELLO).input_tokens == 5
        assert "claude-opus-5" in [model.id for model in client.models.list()]
        thought: Any = {
            "type": "thinking",
            "thinking": "other words",
            "signature": whole.content[0].to_dict()["signature"],
        }
        altered: Any = [*HELLO, {"role": "assistant", "content": [thought]}, *HELLO]
        with pytest.raises(anthropic.BadRequestError, match="Invalid `signature` in `thinking` block"):
            client.messages.create(model="claude-opus-5", max_tokens=99, messages=altered)
        with pytest.raises(anthropic.BadRequestError, match="temperature: Extra inputs are not permitted"):
            client.messages.create(model="claude-opus-5", max_tokens=9, messages=HELLO, extra_body={"temperature": 1})


def test_google_finds_its_own(site: Site) -> None:
    def get_weather(city: str) -> str:
        """Get the weather of a city."""
        return f"18 degrees in {city}"

    with genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=f"{site.models}/google")) as client:
        assert client.models.generate_content(model="gemini-3-pro", contents="Say yes").text == "yes"
        stream = client.models.generate_content_stream(model="gemini-3-pro", contents="Count to 4")
        assert "".join(chunk.text or "" for chunk in stream) == "1 2 3 4"
        told = client.models.generate_content(
            model="gemini-3-pro",
            contents="What is the weather in Paris?",
            config=types.GenerateContentConfig(tools=[get_weather]),
        )
        assert told.text == "The tools say: 18 degrees in Paris"
        vectors = client.models.embed_content(model="gemini-embedding-001", contents=["a", "b"])
        assert [len(one.values or ()) for one in vectors.embeddings or ()] == [128, 128]
        assert "models/gemini-3-pro" in [model.name for model in client.models.list()]
    with genai.Client(api_key="other", http_options=types.HttpOptions(base_url=f"{site.models}/google")) as client:
        with pytest.raises(errors.ClientError, match="API key not valid"):
            client.models.generate_content(model="gemini-3-pro", contents="Say yes")


def test_local_servers_tell_what_they_have(site: Site) -> None:
    tags, running = (httpx.get(f"{site.models}/ollama/api/{name}").json()["models"] for name in ("tags", "ps"))
    assert {model["name"] for model in running} < {model["name"] for model in tags}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT.*Z", running[0]["expires_at"])


def test_it_shares_no_code_with_the_gateway() -> None:
    """What the gateway misunderstands of a provider must not be misunderstood twice."""
    sources = list((ROOT / "tests/support/model_server").glob("*.py"))
    assert sources
    assert not [
        path.name for path in sources if re.search(r"^\s*(from|import) sluice_", path.read_text(), re.MULTILINE)
    ]


async def test_it_runs_by_itself() -> None:
    command = (sys.executable, "-m", "tests.support.model_server")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, cwd=ROOT)
    try:
        assert process.stdout
        url, key = re.findall(rb"(http://\S+) takes the key (\S+)", await process.stdout.readline())[0]
        async with httpx.AsyncClient() as client:
            headers = {"authorization": f"Bearer {key.decode()}"}
            listed = await client.get(f"{url.decode()}/openai/v1/models", headers=headers)
    finally:
        process.terminate()
        await process.wait()
    assert listed.json()["data"][0]["id"] == "gpt-4o-mini"
