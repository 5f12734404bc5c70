"""The parts of a conversation in Gemini's words (Gemini API reference, "Content" and "Part"; guides "Function calling",
"File input methods", "Thought signatures").

An image's detail, a document's name and a part's own further members, such as cache_control, have no place there. Of
thoughts, only the signatures go back: Gemini reads nothing from their words.
"""

import re
from dataclasses import dataclass
from typing import Any

import msgspec

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
    text_of,
)
from sluice_gateway.providers.google.thinking import generation, wants_signatures

ORIGIN = "google"
"""The mark of signatures that Gemini can read, through either of its APIs."""

UNSIGNED = "skip_thought_signature_validator"
"""Stands for the signature of a call that Gemini has not made ("Thought signatures", on history of other models)."""

FILES = "https://generativelanguage.googleapis.com/v1beta/"
"""Where the files are that file ids name ("Files API")."""

_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_NOT_JSON = (msgspec.DecodeError, RecursionError)

# What Gemini reads behind a URL, by the end of its path ("File input methods", "Supported content types").
_TYPES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "bmp": "image/bmp",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
}
_ENDING = re.compile(r"[^?#]*\.(\w{1,8})(?:[?#]|$)")


@dataclass(frozen=True, slots=True)
class Reader:
    """Where Gemini may look for files: ``schemes`` are those of the URIs that it opens. ``model`` is the provider's."""

    model: str
    schemes: tuple[str, ...]

    def file_data(self, source: Source, name: str | None, place: str) -> dict[str, Any]:
        """A file that Gemini fetches. Raises UnsupportedParameter for those that it can't."""
        uri, stored = source.url or "", source.url is None
        if source.file_id is not None:
            uri = FILES + source.file_id if source.file_id.startswith("files/") else source.file_id
        if not uri.startswith(self.schemes) or (generation(self.model) < 2 or "gemini-2.0" in self.model):
            message = f"{self.model} does not read the address in {place}; send what is there as data"
            raise UnsupportedParameter(message, param=place)
        kind = source.media_type or _type_of(uri) or _type_of(name or "")
        if kind is None and not (stored and uri.startswith(FILES)):  # the Files API knows the types of its own
            raise UnsupportedParameter(
                f"the address in {place} does not tell a media type; send it as data", param=place
            )
        return {"fileData": {"mimeType": kind, "fileUri": uri} if kind else {"fileUri": uri}}


def _type_of(name: str) -> str | None:
    found = _ENDING.match(name)
    return _TYPES.get(found[1].lower()) if found else None


def said(part: Part, reader: Reader, place: str) -> dict[str, Any] | None:
    """Text or a medium; None for what says nothing. Raises UnsupportedParameter, which names ``place``."""
    if isinstance(part, Text | Refusal):
        return {"text": part.text} if part.text else None
    if isinstance(part, Image | Document):
        return _medium(part, reader, place)
    if isinstance(part, Audio):
        if not part.data:
            message = f"{place} refers to the sound of an earlier answer, which Gemini does not keep"
            raise UnsupportedParameter(message, param=place)
        return {"inlineData": {"mimeType": f"audio/{part.format}", "data": part.data}}
    raise UnsupportedParameter(f"{place} has no form in Gemini's API", param=place)


def _medium(part: Image | Document, reader: Reader, place: str) -> dict[str, Any]:
    source = part.source
    if source.data is not None:
        return {"inlineData": {"mimeType": source.media_type, "data": source.data}}
    return reader.file_data(source, part.name if isinstance(part, Document) else None, place)


def result(part: ToolResult, name: str, reader: Reader, place: str) -> list[dict[str, Any]]:
    """What a tool has answered. It stays text: as an object, its numbers would be rounded and its $ref be followed.

    Media are part of it from Gemini 3 on, and stand behind it for older models ("Multimodal function responses").
    """
    response: dict[str, Any] = {"error" if part.is_error else "output": text_of(part.content)}
    body: dict[str, Any] = {"id": part.call_id, "name": name, "response": response}
    media = [made for inner in part.content if not isinstance(inner, Text) and (made := said(inner, reader, place))]
    if media and generation(reader.model) >= 3:
        body["parts"], media = media, []
    return [{"functionResponse": body}, *media]


def call(part: ToolCall, place: str) -> dict[str, Any]:
    """A call that the model has made. Raises CallerError, which names ``place``, for arguments that are no object."""
    try:
        arguments = _decode_object(part.arguments)
    except _NOT_JSON:
        message = f"{place}: the arguments of {part.name[:64]!r} must be a JSON object"
        raise CallerError(message, param=place) from None
    made: dict[str, Any] = {"functionCall": {"id": part.id, "name": part.name, "args": arguments}}
    if part.signature and part.origin == ORIGIN:
        made["thoughtSignature"] = part.signature
    return made


def answered(parts: tuple[Part, ...], reader: Reader, content: str, tool_calls: str) -> list[dict[str, Any]]:
    """A model's turn. Signatures go back to where they came from: on calls, or on the last words before them.

    ``content`` and ``tool_calls`` are the caller's places of both.
    """
    signatures = [part for part in parts if isinstance(part, Thought) and part.signature and part.origin == ORIGIN]
    spoken = [part for part in parts if not isinstance(part, Thought | ToolCall)]
    words = [made for part in spoken if (made := said(part, reader, content))]
    calls = [call(part, tool_calls) for part in parts if isinstance(part, ToolCall)]
    signed = any("thoughtSignature" in made for made in calls)
    if signatures and (words or (calls and not signed)):
        (words or calls[:1])[-1]["thoughtSignature"] = signatures.pop().signature
    if calls and wants_signatures(reader.model) and not any("thoughtSignature" in made for made in calls):
        calls[0]["thoughtSignature"] = UNSIGNED
    thoughts = [{"text": part.text, "thought": True, "thoughtSignature": part.signature} for part in signatures]
    return [*thoughts, *words, *calls]
