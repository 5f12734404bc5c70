"""Reading the items of a Responses request (OpenAI API reference, "Create a model response", ``input``).

Ids and states of items mean nothing to a gateway that keeps none, nor do annotations and logprobs of earlier answers. A
reasoning item that has neither words nor encrypted content refers to what OpenAI would have stored, and is left out.
"""

from collections.abc import Callable, Mapping
from typing import Any, cast

from sluice_gateway.dialects.chat.requests import source_of
from sluice_gateway.dialects.reading import Members
from sluice_gateway.dialects.responses.seals import Sealing, opened
from sluice_gateway.dialects.responses.turns import Turns
from sluice_gateway.errors import CallerError, UnsupportedParameter
from sluice_gateway.normal.parts import (
    Audio,
    Document,
    Image,
    Part,
    Refusal,
    Source,
    Text,
    Thought,
    ToolCall,
    ToolResult,
)
from sluice_gateway.normal.requests import Message, Role

_ROLES: dict[str, Role] = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system"}
_PICTURE_TYPES = {"png": "image/png", "webp": "image/webp", "jpeg": "image/jpeg", "gif": "image/gif"}
PLAIN: Mapping[str, Any] = {
    "allowed_callers": ["direct"],
    "async": False,
    "caller": {"type": "direct"},
    "defer_loading": False,
}
"""What OpenAI says of functions and their calls when there is nothing to say."""

_NOT_KEPT = "the gateway keeps no items; send the item itself"


def read_input(body: Members, instructions: str | None) -> tuple[Message, ...]:
    """The conversation: ``instructions``, then ``input``, a string or a list of items. Raises CallerError."""
    given = body.take("input")
    turns = Turns()
    if instructions:
        turns.hear("system", (Text(text=instructions),))
    if type(given) is str:
        turns.hear("user", (Text(text=given),))
    elif type(given) is list and given:
        for index, item in enumerate(given):
            _read_item(item, f"input[{index}]", turns)
    else:
        raise CallerError("input must be a string or a list with at least one item", param="input")
    return tuple(turns.messages())


def _read_item(given: object, path: str, turns: Turns) -> None:
    item = Members(given, path)
    kind = item.text("type")
    is_named = item.text("id") is not None
    item.take("status")
    if kind == "item_reference" or (kind is None and is_named and "role" not in cast("dict[str, Any]", given)):
        raise UnsupportedParameter(f"{path}: {_NOT_KEPT}", param=path)
    reader = _ITEMS.get(kind or "message")
    if reader is None:
        raise _untranslatable(item, "items", kind)
    reader(item, turns)


def _untranslatable(members: Members, what: str, kind: str | None) -> UnsupportedParameter:
    place = members.place("type")
    return UnsupportedParameter(f"{place}: {what} of type {str(kind)[:64]!r} cannot be translated", param=place)


def _message(item: Members, turns: Turns) -> None:
    role = _ROLES.get(item.needed_text("role"))
    if role is None:
        raise CallerError(f"{item.place('role')} must be one of {', '.join(_ROLES)}", param=item.place("role"))
    parts = _content(item, "content")
    item.take("phase")  # which of a model's messages is its last word: for models that speak this shape themselves
    if role == "assistant":
        turns.speak(parts)
    else:
        turns.hear(role, parts or (Text(text=""),), item.rest())


def _content(item: Members, name: str) -> tuple[Part, ...]:
    """A string, or a list of parts."""
    given = item.take(name)
    place = item.place(name)
    if type(given) is str:
        return (Text(text=given),) if given else ()
    if type(given) is not list:
        raise CallerError(f"{place} must be a string or a list of parts", param=place)
    return tuple(_part(Members(part, f"{place}[{index}]")) for index, part in enumerate(given))


def _part(part: Members) -> Part:
    kind = part.needed_text("type")
    reader = _PARTS.get(kind)
    if reader is None:
        raise _untranslatable(part, "parts", kind)
    return reader(part)


def _text(part: Members) -> Part:
    part.take("annotations")
    part.take("logprobs")
    return Text(text=part.needed_text("text"), extra=part.rest())


def _refusal(part: Members) -> Part:
    return Refusal(text=part.needed_text("refusal"), extra=part.rest())


def _image(part: Members) -> Part:
    detail = part.text("detail")
    url, file_id = part.text("image_url"), part.text("file_id")
    if (url is None) == (file_id is None):
        raise CallerError(f"{part.path} must have either image_url or file_id", param=part.path)
    source = Source(file_id=file_id) if url is None else source_of(url, part.place("image_url"))
    return Image(source=source, detail=detail, extra=part.rest())


def _file(part: Members) -> Part:
    name = part.text("filename")
    given = {key: value for key in ("file_data", "file_url", "file_id") if (value := part.text(key)) is not None}
    if len(given) != 1:
        raise CallerError(f"{part.path} must have one of file_data, file_url and file_id", param=part.path)
    [(key, value)] = given.items()
    if key == "file_id":
        source = Source(file_id=value)
    elif key == "file_url" or value[:5].lower() == "data:":
        source = source_of(value, part.place(key))
    else:
        source = Source(data=value, media_type="application/pdf")  # OpenAI takes bare base64 of PDFs
    return Document(source=source, name=name, extra=part.rest())


def _audio(part: Members) -> Part:
    sound = part.members("input_audio")
    if sound is None:
        raise CallerError(f"{part.place('input_audio')} is missing", param=part.place("input_audio"))
    return Audio(data=sound.needed_text("data"), format=sound.needed_text("format"), extra=part.rest())


def _reasoning(item: Members, turns: Turns) -> None:
    summary = "\n\n".join(part.needed_text("text") for part in item.each("summary"))
    words = "".join(part.needed_text("text") for part in item.each("content")) or summary
    text = item.text("encrypted_content")
    if not text:
        if words:
            turns.act(Thought(text=words))
        return
    seal = opened(text)
    if seal.kind is Sealing.CALL:
        turns.seal(seal)
    elif seal.kind is Sealing.SIGNATURE:
        turns.act(Thought(text=words, signature=seal.value, origin=seal.origin))
    elif seal.kind is Sealing.WORDS:
        turns.act(Thought(text=words, origin=seal.origin))
    else:
        turns.act(Thought(text=words, encrypted=seal.value, origin=seal.origin))


def _function_call(item: Members, turns: Turns) -> None:
    call = ToolCall(
        id=item.needed_text("call_id"),
        name=item.needed_text("name"),
        arguments=item.text("arguments") or "{}",
        extra=item.rest(PLAIN),
    )
    turns.act(call)


def _function_call_output(item: Members, turns: Turns) -> None:
    call_id = item.needed_text("call_id")
    turns.answer(ToolResult(call_id=call_id, content=_content(item, "output"), extra=item.rest(PLAIN)))


def _picture(item: Members, turns: Turns) -> None:
    media_type = _PICTURE_TYPES.get(item.text("output_format") or "png", "image/png")
    turns.act(Image(source=Source(data=item.needed_text("result"), media_type=media_type)))


_ITEMS: Mapping[str, Callable[[Members, Turns], Any]] = {
    "message": _message,
    "reasoning": _reasoning,
    "function_call": _function_call,
    "function_call_output": _function_call_output,
    "image_generation_call": _picture,
}
_PARTS: Mapping[str, Callable[[Members], Part]] = {
    "input_text": _text,
    "output_text": _text,
    "refusal": _refusal,
    "input_image": _image,
    "input_file": _file,
    "input_audio": _audio,
}
