"""Reads a stream of Responses events as a strict client would: by the official SDK's types, adding up the pieces."""

import json
from typing import Any, get_args

from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel

from sluice_gateway import sse

_UNION = get_args(ResponseStreamEvent)[0]
_TYPES: dict[str, type[BaseModel]] = {
    get_args(event.model_fields["type"].annotation)[0]: event for event in get_args(_UNION)
}
# Where a text of an event's name stands: in which list of its item, at which place, under which name.
_PLACES = {
    "content_part": ("content", "content_index", "part"),
    "output_text": ("content", "content_index", "text"),
    "refusal": ("content", "content_index", "refusal"),
    "reasoning_summary_part": ("summary", "summary_index", "part"),
    "reasoning_summary_text": ("summary", "summary_index", "text"),
}
ENDS = ("response.completed", "response.incomplete", "response.failed")


def events_of(frames: bytes) -> list[dict[str, Any]]:
    """Each event, which has a name, a number and what the SDK's type of that name requires."""
    found = []
    for number, frame in enumerate(sse.split(frames)):
        name, data = frame.decode().removesuffix("\n\n").split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        assert event["sequence_number"] == number
        _TYPES[event["type"]].model_validate_json(json.dumps(event), strict=True)
        found.append(event)
    return found


def fold(frames: bytes) -> dict[str, Any]:
    """The answer at the end of a whole stream, which is all that its events add up to."""
    first, second, *middle, last = events_of(frames)
    assert (first["type"], second["type"]) == ("response.created", "response.in_progress")
    assert last["type"] in ENDS
    response: dict[str, Any] = last["response"]
    Response.model_validate_json(json.dumps(response), strict=True)
    assert (response["id"], response["status"]) == (first["response"]["id"], last["type"].removeprefix("response."))
    items: list[dict[str, Any]] = []
    done: set[int] = set()
    for event in middle:
        _add(event, items, done)
    if last["type"] != "response.failed":
        assert done == set(range(len(items)))
    for index, item in enumerate(items):
        told = response["output"][index]
        assert told == (item if index in done else {**item, **_late(told)})
    assert len(response["output"]) == len(items)
    return response


def _add(event: dict[str, Any], items: list[dict[str, Any]], done: set[int]) -> None:
    kind, index = event["type"], event["output_index"]
    assert index not in done, "an event of an item that is done"
    if kind == "response.output_item.added":
        assert index == len(items)
        items.append(event["item"])
        return
    item = items[index]
    if kind == "response.output_item.done":
        assert {**item, **_late(event["item"])} == event["item"]
        items[index] = event["item"]
        done.add(index)
        return
    assert event["item_id"] == item["id"]
    _grow(kind, event, item)


def _late(item: dict[str, Any]) -> dict[str, Any]:
    """What an item has only at its end."""
    late = ("status", "encrypted_content", "result", "output_format")
    return {name: item[name] for name in late if name in item}


def _grow(kind: str, event: dict[str, Any], item: dict[str, Any]) -> None:
    name, _, what = kind.removeprefix("response.").rpartition(".")
    if name == "function_call_arguments":
        holder, key = item, "arguments"
    else:
        parts, place, key = _PLACES[name]
        if what == "added":
            assert event[place] == len(item[parts])
            item[parts].append(event["part"])
            return
        holder = item[parts][event[place]]
    if what == "delta":
        holder[key] += event["delta"]
        if "logprobs" in event:
            holder["logprobs"] += event["logprobs"]
    elif key == "part":
        assert holder == event["part"]
    else:
        assert holder[key] == event[key]
