"""What messages and answers are made of."""

from typing import Any

import msgspec


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where the bytes of an image or a document are: exactly one of ``url``, ``data`` (base64) and ``file_id``.

    ``media_type`` (RFC 6838) is always known beside ``data``.
    """

    url: str | None = None
    data: str | None = None
    media_type: str | None = None
    file_id: str | None = None


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of a message.

    ``extra`` are members that the caller gave it and the normal form has no name for, such as ``cache_control``.
    """

    extra: dict[str, Any] = {}


class Text(Part, frozen=True, kw_only=True):
    """Words."""

    text: str


class Image(Part, frozen=True, kw_only=True):
    """A picture. ``detail`` is OpenAI's: low, high or auto."""

    source: Source
    detail: str | None = None


class Audio(Part, frozen=True, kw_only=True):
    """Sound: ``data`` in base64, ``format`` as OpenAI names it (wav, mp3).

    ``id`` refers to the sound of an earlier answer.
    """

    data: str = ""
    format: str = ""
    id: str | None = None
    transcript: str | None = None


class Document(Part, frozen=True, kw_only=True):
    """A file to read, such as a PDF. ``name`` is what the caller calls it."""

    source: Source
    name: str | None = None


class Thought(Part, frozen=True, kw_only=True):
    """Reasoning that a model shows.

    ``signature`` is the provider's seal, which it wants back unchanged in the next turn; ``encrypted`` reasoning that
    only the provider can read. Both mean something to the wire shape named ``origin`` alone.
    """

    text: str = ""
    signature: str | None = None
    encrypted: str | None = None
    origin: str = ""


class ToolCall(Part, frozen=True, kw_only=True):
    """A model's wish to call a tool. ``arguments`` is JSON text as the model wrote it, ``{}`` when it gave none.

    ``signature`` seals the reasoning behind it, for the wire shape named ``origin`` alone.
    """

    id: str
    name: str
    arguments: str = "{}"
    signature: str | None = None
    origin: str = ""


class ToolResult(Part, frozen=True, kw_only=True):
    """What a tool has answered to the call ``call_id``. ``content`` holds Text, Image and Document parts."""

    call_id: str
    content: tuple[Part, ...]
    is_error: bool = False


class Refusal(Part, frozen=True, kw_only=True):
    """A model's own words on why it does not answer."""

    text: str


def text_of(parts: tuple[Part, ...]) -> str:
    """All words of ``parts``, joined as they come."""
    return "".join(part.text for part in parts if isinstance(part, Text))
