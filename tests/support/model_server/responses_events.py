"""A response as OpenAI streams it (OpenAI API reference: "Streaming events" of Responses)."""

from collections.abc import Iterator
from typing import Any

from tests.support.model_server.conversation import tokens
from tests.support.model_server.exchange import event, pieces


def frames(response: dict[str, Any]) -> Iterator[bytes]:
    """Events that add up to ``response``, numbered."""
    for number, (name, data) in enumerate(_events(response)):
        yield event({"type": name, **data, "sequence_number": number}, name)


def _events(response: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    begun = {**response, "status": "in_progress", "incomplete_details": None, "output": [], "usage": None}
    yield "response.created", {"response": begun}
    yield "response.in_progress", {"response": begun}
    for index, item in enumerate(response["output"]):
        yield from _item(item, index)
    yield f"response.{response['status']}", {"response": response}


def _item(item: dict[str, Any], index: int) -> Iterator[tuple[str, dict[str, Any]]]:
    place = {"item_id": item["id"], "output_index": index}
    if item["type"] == "function_call":
        yield _added({**item, "status": "in_progress", "arguments": ""}, index)
        for piece in pieces(item["arguments"]):
            yield "response.function_call_arguments.delta", {**place, "delta": piece}
        done = {"name": item["name"], "arguments": item["arguments"]}
        yield "response.function_call_arguments.done", {**place, **done}
    elif item["type"] == "reasoning":
        yield _added({**item, "summary": [], "encrypted_content": item.get("encrypted_content")}, index)
        for number, part in enumerate(item["summary"]):
            yield from _summary(part, {**place, "summary_index": number})
    else:
        yield _added({**item, "status": "in_progress", "content": []}, index)
        for number, part in enumerate(item["content"]):
            yield from _content(part, {**place, "content_index": number})
    yield "response.output_item.done", {"output_index": index, "item": item}


def _added(item: dict[str, Any], index: int) -> tuple[str, dict[str, Any]]:
    return "response.output_item.added", {"output_index": index, "item": item}


def _summary(part: dict[str, Any], place: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "response.reasoning_summary_part.added", {**place, "part": {**part, "text": ""}}
    for token in tokens(part["text"]):
        yield "response.reasoning_summary_text.delta", {**place, "delta": token}
    yield "response.reasoning_summary_text.done", {**place, "text": part["text"]}
    yield "response.reasoning_summary_part.done", {**place, "part": part}


def _content(part: dict[str, Any], place: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    kind, field = ("refusal", "refusal") if part["type"] == "refusal" else ("output_text", "text")
    rest: dict[str, Any] = {} if kind == "refusal" else {"logprobs": []}
    yield "response.content_part.added", {**place, "part": {**part, field: ""}}
    for token in tokens(part[field]):
        yield f"response.{kind}.delta", {**place, "delta": token, **rest}
    yield f"response.{kind}.done", {**place, field: part[field], **rest}
    yield "response.content_part.done", {**place, "part": part}
