"""What ties a thought to the provider that had it, in a form that passes through Anthropic's clients unharmed.

A thinking block has one opaque ``signature``, a redacted_thinking block one opaque ``data``. Anthropic's own stand
there as they are; those of all others as ``sluice.<kind>.<origin>.<value>``. ``thought`` is a thought's own signature
(empty, where only its origin is known), ``encrypted`` is reasoning that only its provider can read, and ``call`` is the
signature of a tool call: it travels as a thinking block without words, right before its tool_use block.
"""

from typing import NamedTuple

NATIVE = "anthropic"  # the wire shape whose signatures these clients carry anyway

THOUGHT = "thought"
ENCRYPTED = "encrypted"
CALL = "call"
_KINDS = (THOUGHT, ENCRYPTED, CALL)
_MARK = "sluice"


class Seal(NamedTuple):
    """What a signature says: to whom it belongs, and what it is. ``value`` is "" when there is none."""

    kind: str
    origin: str
    value: str


def sealed(kind: str, origin: str, value: str | None) -> str:
    """The text that clients carry; "" when there is nothing to carry."""
    if origin == NATIVE and kind != CALL:
        return value or ""
    return f"{_MARK}.{kind}.{origin}.{value or ''}" if origin or value else ""


def opened(text: str, kind: str = THOUGHT) -> Seal:
    """What ``sealed`` has made a text of. One that it has not made is Anthropic's own, of ``kind``."""
    mark, *rest = text.split(".", 3)
    if mark == _MARK and len(rest) == 3 and rest[0] in _KINDS:
        return Seal(*rest)
    return Seal(kind, NATIVE if text else "", text)
