"""What ties a thought to the provider that had it, in a form that passes through Anthropic's clients unharmed.

A thinking block has one opaque ``signature``, a redacted_thinking block one opaque ``data``. Anthropic's own stand
there as they are; those of all others as ``sluice.<kind>.<origin>.<value>``. ``thought`` is a thought's own signature
(empty, where it has none), ``encrypted`` is reasoning that only its provider can read, and ``call`` is the signature of
a tool call: it travels as a thinking block without words, right before its tool_use block.

Anthropic refuses signatures that are not its own, so a relayed conversation must lose the blocks of others.
"""

import operator
from typing import Any, NamedTuple

import msgspec

from sluice_gateway import splice

NATIVE = "anthropic"  # the wire shape whose signatures these clients carry anyway

THOUGHT = "thought"
ENCRYPTED = "encrypted"
CALL = "call"
_KINDS = (THOUGHT, ENCRYPTED, CALL)
_MARK = "sluice"
_QUOTED = b'"sluice.'
_PLACES = {"thinking": "signature", "redacted_thinking": "data"}


class Seal(NamedTuple):
    """What a signature says: to whom it belongs, and what it is. ``value`` is "" when there is none."""

    kind: str
    origin: str
    value: str


def sealed(kind: str, origin: str, value: str | None) -> str:
    """The text that clients carry."""
    if origin == NATIVE and kind != CALL:
        return value or ""
    return f"{_MARK}.{kind}.{origin}.{value or ''}"


def opened(text: str, kind: str = THOUGHT) -> Seal:
    """What ``sealed`` has made a text of. One that it has not made is Anthropic's own, of ``kind``."""
    mark, *rest = text.split(".", 3)
    if mark == _MARK and len(rest) == 3 and rest[0] in _KINDS:
        return Seal(*rest)
    return Seal(kind, NATIVE if text else "", text)


def without_others(body: bytes, document: dict[str, Any]) -> bytes:
    """``body`` without thoughts of other providers, for Anthropic; all but its messages as it came.

    ``document`` is the body, parsed. A message that held nothing else goes too: Anthropic takes what stands around it
    as one turn. Raises UnicodeEncodeError for half a character.
    """
    messages = document.get("messages")
    if _QUOTED not in body or type(messages) is not list:
        return body
    kept = [left for message in messages for left in _left_of(message)]
    if len(kept) == len(messages) and all(map(operator.is_, kept, messages)):
        return body
    return splice.edited(body, {"messages": msgspec.json.encode(kept)})


def _left_of(message: Any) -> tuple[Any, ...]:
    content = message.get("content") if type(message) is dict else None
    if type(content) is not list:
        return (message,)
    kept = [block for block in content if not _is_of_others(block)]
    if len(kept) == len(content):
        return (message,)
    return ({**message, "content": kept},) if kept else ()


def _is_of_others(block: Any) -> bool:
    if type(block) is not dict or (name := _PLACES.get(str(block.get("type")))) is None:
        return False
    text = block.get(name)
    return type(text) is str and text.startswith(f"{_MARK}.")
