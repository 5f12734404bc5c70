"""What Anthropic's own client makes of a stream of events."""

from typing import Any

from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter

from sluice_gateway import sse

_EVENT: TypeAdapter[RawMessageStreamEvent] = TypeAdapter(RawMessageStreamEvent)


def _read(frames: bytes) -> list[RawMessageStreamEvent]:
    """Each event, read strictly; its name must be its type."""
    found = []
    for frame in sse.split(frames):
        [data] = sse.data_of(frame)
        event = _EVENT.validate_json(data, strict=True)
        assert frame.startswith(f"event: {event.type}\n".encode()), frame
        found.append(event)
    return found


def events_of(frames: bytes) -> list[dict[str, Any]]:
    """Each event as a document."""
    return [event.model_dump(exclude_unset=True) for event in _read(frames)]


def accumulated(frames: bytes) -> dict[str, Any]:
    """The message that the events add up to. Blocks must follow each other, each whole before the next."""
    message: Any = None
    pieces: dict[int, bytes] = {}
    opened: int | None = None
    blocks = 0
    events = _read(frames)
    for event in events:
        if event.type == "content_block_start":
            assert (opened, event.index) == (None, blocks)
            opened, blocks = event.index, blocks + 1
        elif event.type in ("content_block_delta", "content_block_stop"):
            assert event.index == opened
            opened = None if event.type == "content_block_stop" else opened
        message = accumulate_event(event=event, current_snapshot=message, json_bufs=pieces)
    assert opened is None
    assert events[-1].type == "message_stop"
    document: dict[str, Any] = message.model_dump(exclude_unset=True)
    document.pop("stop_details", None)  # which the client sets itself
    return document


def checked(body: bytes) -> dict[str, Any]:
    """A whole message, read strictly."""
    return Message.model_validate_json(body, strict=True).model_dump(exclude_unset=True)
