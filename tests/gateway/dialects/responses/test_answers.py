"""Whole answers for callers of /v1/responses, as the official SDK reads them."""

import json
from typing import Any

from openai.types.responses import Response

from sluice_gateway.dialects.dialect import Asked
from sluice_gateway.dialects.responses.dialect import ResponsesDialect
from sluice_gateway.errors import ModelNotFound
from sluice_gateway.normal.answers import ChatAnswer, Choice, Finish
from sluice_gateway.normal.parts import Audio, Part, Refusal, Text, Thought, ToolCall
from sluice_gateway.normal.usage import Usage

DIALECT = ResponsesDialect()
STOP = Choice(parts=(Text(text="Hello"),))


def answered(answer: ChatAnswer, **document: Any) -> dict[str, Any]:
    """As the SDK has read it, strictly."""
    body = DIALECT.answer(answer, Asked(document=document, model="the-model", id="req_1", created=7))
    Response.model_validate_json(body, strict=True)
    result: dict[str, Any] = json.loads(body)
    return result


def output(*parts: Part, finish: Finish = Finish.STOP) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = answered(ChatAnswer(choices=(Choice(parts=parts, finish=finish),)))["output"]
    return found


def test_what_the_provider_does_not_say_is_said_for_it() -> None:
    answer = answered(ChatAnswer(choices=(STOP,)))
    assert (answer["id"], answer["model"], answer["created_at"]) == ("resp_req_1", "the-model", 7)
    assert (answer["object"], answer["status"], answer["usage"], answer["error"]) == (
        "response",
        "completed",
        None,
        None,
    )


def test_what_the_provider_says_counts() -> None:
    answer = answered(ChatAnswer(choices=(STOP,), id="msg_01", model="m-1", created=9))
    assert (answer["id"], answer["model"], answer["created_at"]) == ("resp_msg_01", "m-1", 9)
    assert answered(ChatAnswer(choices=(STOP,), id="resp_7"))["id"] == "resp_7"


def test_ids_of_items_fit_what_openai_takes_back() -> None:
    [item] = answered(ChatAnswer(choices=(STOP,), id="x" * 300))["output"]
    assert item["id"].startswith("msg_xxx")
    assert len(item["id"]) <= 64
    assert answered(ChatAnswer(choices=(STOP,), id="a.b:c\u00e9"))["output"][0]["id"] == "msg_a_b_c__0"


def test_neighbouring_texts_are_one_and_empty_ones_none() -> None:
    [item] = output(Text(text="Hel"), Text(text=""), Text(text="lo"), Refusal(text="No"), Refusal(text="."))
    assert [part.get("text", part.get("refusal")) for part in item["content"]] == ["Hello", "No."]
    assert output(Text(text="")) == []


def test_items_stand_in_the_order_in_which_the_model_made_them() -> None:
    items = output(
        Thought(text="hm"), Text(text="a"), ToolCall(id="c", name="f"), Text(text="b"), Audio(transcript="c")
    )
    assert [item["type"] for item in items] == ["reasoning", "message", "function_call", "message"]
    assert len({item["id"] for item in items}) == 4


def test_the_settings_of_the_request_are_told() -> None:
    settings = {
        "instructions": "Be brief.",
        "max_output_tokens": 5,
        "parallel_tool_calls": False,
        "temperature": 0.5,
        "tool_choice": {"type": "function", "name": "f"},
        "top_p": 1,
        "metadata": {"a": "b"},
        "user": "u",
        "prompt_cache_key": "k",
        "truncation": "auto",
    }
    tool = {"type": "function", "name": "f", "parameters": {"type": "object"}}
    answer = answered(ChatAnswer(choices=(STOP,)), tools=[tool], reasoning={"effort": "low"}, **settings)
    assert {name: answer[name] for name in settings} == settings
    assert answer["tools"] == [{**tool, "description": None, "strict": None}]
    assert answer["reasoning"] == {"effort": "low", "summary": None}


def test_answers_are_not_stored_whatever_the_caller_wants() -> None:
    for wish in ({}, {"store": True}, {"store": False}):
        assert answered(ChatAnswer(choices=(STOP,)), **wish)["store"] is False


def test_the_form_of_the_text_is_told() -> None:
    schema = {"type": "json_schema", "name": "s", "schema": {"type": "object"}, "strict": True}
    assert answered(ChatAnswer(choices=(STOP,)))["text"] == {"format": {"type": "text"}}
    told = answered(ChatAnswer(choices=(STOP,)), text={"format": schema, "verbosity": "low"})["text"]
    assert told == {"format": schema, "verbosity": "low"}


def test_usage_is_counted_as_this_shape_does() -> None:
    usage = Usage(prompt=10, completion=5, cached=4, reasoning=3, cache_write=2, audio_prompt=1)
    assert answered(ChatAnswer(choices=(STOP,), usage=usage))["usage"] == {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 15,
    }
    assert answered(ChatAnswer(choices=(STOP,), usage=Usage(estimated=True)))["usage"]["estimated"] is True


def test_the_service_tier_is_one_that_clients_know() -> None:
    assert answered(ChatAnswer(choices=(STOP,), service_tier="flex"))["service_tier"] == "flex"
    assert (
        answered(ChatAnswer(choices=(STOP,), service_tier="on_demand"), service_tier="auto")["service_tier"] == "auto"
    )
    assert answered(ChatAnswer(choices=(STOP,), service_tier="batch"))["service_tier"] is None


def test_an_answer_without_choices_is_empty() -> None:
    assert answered(ChatAnswer(choices=()))["output"] == []


def test_errors_before_the_answer_are_those_of_openai() -> None:
    error = json.loads(DIALECT.error(ModelNotFound.for_route("gpt")))
    assert error["error"]["code"] == "model_not_found"
