"""Completions in front of providers that only chat."""

import json
from typing import Any

import pytest

from sluice_gateway.dialects.completions import CompletionsDialect
from sluice_gateway.dialects.dialect import Asked
from sluice_gateway.errors import CallerError, UnsupportedParameter
from sluice_gateway.normal.answers import ChatAnswer, Choice, Finish, Finished, Started, TextDelta
from sluice_gateway.normal.parts import Text
from sluice_gateway.normal.requests import ChatRequest, Message
from sluice_gateway.normal.usage import Usage

DIALECT = CompletionsDialect()


def asked(**document: Any) -> Asked:
    return Asked(document=document, model="m", id="req_1", created=5)


def read(**members: Any) -> ChatRequest:
    return DIALECT.read({"model": "m", "prompt": "Once", **members})


@pytest.mark.parametrize("prompt", ["Once", ["Once"]])
def test_the_prompt_becomes_a_message(prompt: Any) -> None:
    request = read(prompt=prompt, max_tokens=0, stop="\n", echo=False, best_of=1, logprobs=None, own=1)
    assert request.messages == (Message(role="user", parts=(Text(text="Once"),)),)
    assert (request.max_tokens, request.stop, request.extra) == (0, ("\n",), {"own": 1})


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"prompt": [1, 2]}, "prompt"),
        ({"suffix": "end"}, "suffix"),
        ({"echo": True}, "echo"),
        ({"best_of": 2}, "best_of"),
        ({"logprobs": 3}, "logprobs"),
    ],
)
def test_what_needs_bare_text_is_refused_by_name(members: dict[str, Any], param: str) -> None:
    with pytest.raises(UnsupportedParameter) as refusal:
        read(**members)
    assert refusal.value.param == param


@pytest.mark.parametrize("prompt", [None, 5, {}])
def test_a_prompt_is_needed(prompt: Any) -> None:
    with pytest.raises(CallerError, match="prompt must be a string"):
        read(prompt=prompt)


def test_the_answer_is_text() -> None:
    choices = (Choice(parts=(Text(text="upon a time"),), finish=Finish.LENGTH),)
    body = json.loads(DIALECT.answer(ChatAnswer(choices=choices, id="x", usage=Usage(1, 3)), asked()))
    assert body["object"] == "text_completion"
    assert body["choices"] == [{"index": 0, "text": "upon a time", "logprobs": None, "finish_reason": "length"}]
    assert (body["id"], body["model"], body["created"], body["usage"]["total_tokens"]) == ("x", "m", 5, 4)


@pytest.mark.parametrize("shows", [True, False])
def test_the_stream_says_the_same(shows: bool) -> None:
    writer = DIALECT.stream(asked(stream_options={"include_usage": shows}))
    frames = writer.write([Started("x", "model-1"), TextDelta("upon "), TextDelta("a time"), Finished(Finish.STOP)])
    *chunks, done = (frames + writer.end(Usage(1, 3))).split(b"\n\n")[:-1]
    documents = [json.loads(chunk.removeprefix(b"data: ")) for chunk in chunks]
    assert done == b"data: [DONE]"
    assert "".join(choice["text"] for document in documents for choice in document["choices"]) == "upon a time"
    assert {document["id"] for document in documents} == {"x"}
    assert ("usage" in documents[-1]) is shows
    reasons = [choice["finish_reason"] for document in documents for choice in document["choices"]]
    assert reasons == [None, None, "stop"]
