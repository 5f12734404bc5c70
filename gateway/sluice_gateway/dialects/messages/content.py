"""Reading the content of messages: strings and blocks (Anthropic API reference, "Messages").

Members of a block that the normal form has no name for, such as ``cache_control``, stay with its part as ``extra``:
they are hints. A document of words (``text`` or ``content``) becomes words, with its title and context before it, for
every provider can read those. Blocks of Anthropic's server tools are refused: their results mean nothing to others.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from sluice_gateway.dialects.messages.seals import CALL, ENCRYPTED, Seal, opened
from sluice_gateway.dialects.reading import Members
from sluice_gateway.errors import CallerError, UnsupportedParameter
from sluice_gateway.normal.parts import Document, Image, Part, Source, Text, Thought, ToolCall, ToolResult

Reader = Callable[[Members], Iterable[Part]]


class Content(NamedTuple):
    """What was read. ``listed``: each part stands where the caller has its block."""

    parts: tuple[Part, ...]
    listed: bool = True


def read_system(holder: Members, name: str) -> Content:
    """Instructions: a string, or blocks of text; none when they are absent."""
    return _content(holder, name, _SYSTEM, optional=True)


def read_user(message: Members) -> Content:
    """What a user says, which may be nothing, and results of tools, in their order."""
    content = _content(message, "content", _USER)
    return content if content.parts else Content((Text(text=""),))


def read_assistant(message: Members) -> Content:
    """What the model has said, thought and called."""
    content = _content(message, "content", _ASSISTANT)
    found: list[Part] = []
    seal: Seal | None = None
    for part in content.parts:
        if isinstance(part, _CallSeal):
            seal = part.seal
        elif isinstance(part, ToolCall) and seal is not None:
            found.append(msgspec.structs.replace(part, signature=seal.value, origin=seal.origin))
            seal = None
        else:
            found.append(part)
    return Content(tuple(found), content.listed and len(found) == len(content.parts))


def _content(holder: Members, name: str, readers: Mapping[str, Reader], *, optional: bool = False) -> Content:
    content = holder.take(name)
    if type(content) is str:
        return Content((Text(text=content),) if content else ())
    place = holder.place(name)
    if content is None:
        if optional:
            return Content(())
        raise CallerError(f"{place} is missing", param=place)
    if type(content) is not list:
        raise CallerError(f"{place} must be a string or a list of blocks", param=place)
    read = [tuple(_parts(Members(block, f"{place}[{index}]"), readers)) for index, block in enumerate(content)]
    return Content(tuple(itertools.chain.from_iterable(read)), all(len(parts) == 1 for parts in read))


def _parts(block: Members, readers: Mapping[str, Reader]) -> Iterable[Part]:
    kind = block.needed_text("type")
    reader = readers.get(kind)
    if reader is not None:
        return reader(block)
    place = block.place("type")
    if kind in _KNOWN:
        raise CallerError(f"{place}: blocks of type {kind} have no place here", param=place)
    raise UnsupportedParameter(f"{place}: blocks of type {kind[:64]!r} cannot be translated", param=place)


def _text(block: Members) -> Iterator[Part]:
    yield Text(text=block.needed_text("text"), extra=block.rest())


def _image(block: Members) -> Iterator[Part]:
    source = _needed(block, "source")
    yield Image(source=_source(source, source.needed_text("type")), extra=block.rest())


def _needed(block: Members, name: str) -> Members:
    inner = block.members(name)
    if inner is None:
        raise CallerError(f"{block.place(name)} is missing", param=block.place(name))
    return inner


def _source(source: Members, kind: str) -> Source:
    """Bytes, or where they are."""
    if kind == "base64":
        return Source(data=source.needed_text("data"), media_type=source.needed_text("media_type").lower())
    if kind == "url":
        return Source(url=source.needed_text("url"))
    if kind == "file":
        return Source(file_id=source.needed_text("file_id"))
    place = source.place("type")
    raise UnsupportedParameter(f"{place}: sources of type {kind[:64]!r} cannot be translated", param=place)


def _document(block: Members) -> Iterator[Part]:
    citations = block.members("citations")
    if citations is not None and citations.boolean("enabled"):
        place = citations.place("enabled")
        raise UnsupportedParameter(f"{place}: citations cannot be translated", param=place)
    source = _needed(block, "source")
    title, context = block.text("title"), block.text("context")
    kind = source.needed_text("type")
    if kind in ("text", "content"):
        heading = [words for words in (title, context) if words]
        if kind == "text":
            yield Text(text="\n\n".join((*heading, source.needed_text("data"))), extra=block.rest())
            return
        yield from (Text(text=words) for words in heading)
        yield from _content(source, "content", _WORDS).parts
        return
    if context:
        yield Text(text=context)
    yield Document(source=_source(source, kind), name=title, extra=block.rest())


def _tool_result(block: Members) -> Iterator[Part]:
    yield ToolResult(
        call_id=block.needed_text("tool_use_id"),
        is_error=block.boolean("is_error") or False,
        content=_content(block, "content", _RESULT, optional=True).parts,
        extra=block.rest(),
    )


def _tool_use(block: Members) -> Iterator[Part]:
    place = block.place("input")
    try:
        arguments = msgspec.json.encode(block.mapping("input") or {}).decode()
    except UnicodeEncodeError:  # RFC 8259, 8.2: JSON may hold half a character, UTF-8 may not
        raise CallerError(f"{place} holds half a character (a lone surrogate)", param=place) from None
    yield ToolCall(id=block.needed_text("id"), name=block.needed_text("name"), arguments=arguments, extra=block.rest())


class _CallSeal(Part, frozen=True, kw_only=True):
    """The signature of the tool call that follows."""

    seal: Seal


def _thinking(block: Members) -> Iterator[Part]:
    words, seal = block.text("thinking") or "", opened(block.text("signature") or "")
    if seal.kind == CALL:
        yield _CallSeal(seal=seal)
    elif seal.kind == ENCRYPTED:
        yield Thought(text=words, encrypted=seal.value, origin=seal.origin)
    else:
        yield Thought(text=words, signature=seal.value or None, origin=seal.origin)


def _redacted_thinking(block: Members) -> Iterator[Part]:
    seal = opened(block.needed_text("data"), ENCRYPTED)
    yield Thought(encrypted=seal.value, origin=seal.origin)


_SYSTEM: Mapping[str, Reader] = {"text": _text}
_WORDS: Mapping[str, Reader] = {"text": _text, "image": _image}
_RESULT: Mapping[str, Reader] = {**_WORDS, "document": _document}
_USER: Mapping[str, Reader] = {**_RESULT, "tool_result": _tool_result}
_ASSISTANT: Mapping[str, Reader] = {
    "text": _text,
    "thinking": _thinking,
    "redacted_thinking": _redacted_thinking,
    "tool_use": _tool_use,
}
_KNOWN = frozenset({*_USER, *_ASSISTANT})
