"""Which target a conversation stays with: the same one at each of its turns, as long as that can be asked.

Rendezvous hashing (Thaler and Ravishankar, 1998), weighted: each target's draw depends on nothing but the conversation
and the target, and the highest wins. A target that goes away moves only the conversations that it had.
"""

import math
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

from sluice_gateway.calls import Call, Shape

_ENOUGH = 4096  # characters of a text: what two conversations differ in stands before
_SYSTEM = ("system", "developer")


def draw(conversation: bytes, label: str, weight: int) -> float:
    """A target's draw for a conversation; the highest wins, in proportion to the weights."""
    hashed = int.from_bytes(blake2b(label.encode(), digest_size=8, key=conversation).digest())
    return math.log((hashed + 1) / 2**64) / weight if weight else -math.inf


def conversation_of(call: Call, consumer: str) -> bytes:
    """The name of the conversation that a call belongs to: what the caller says that it is (``prompt_cache_key``, or
    ``conversation`` of the Responses API), else what does not change from turn to turn: the system text, the first
    message of the user, and who that is. b"" for what is no conversation.
    """
    read = _READERS.get(call.shape)
    if read is None:
        return b""
    hashed = blake2b(consumer.encode(errors="surrogatepass"), digest_size=16)
    for text in read(call.document):
        hashed.update(b"\0%d\0" % len(text))
        hashed.update(text[:_ENOUGH].encode(errors="surrogatepass"))
    return hashed.digest()


def _chat(document: dict[str, Any]) -> list[str]:
    return _named(document) or [*_user(document), *_opening(document.get("messages"))]


def _responses(document: dict[str, Any]) -> list[str]:
    begin = document.get("input")
    opening = list(_texts(begin)) if isinstance(begin, str) else _opening(begin)
    return _named(document) or [*_user(document), *_texts(document.get("instructions")), *opening]


def _messages(document: dict[str, Any]) -> list[str]:
    metadata = document.get("metadata")
    user = metadata.get("user_id") if isinstance(metadata, dict) else None
    return [*_texts(user), *_texts(document.get("system")), *_opening(document.get("messages"))]


_READERS = {
    Shape.CHAT: _chat,
    Shape.RESPONSES: _responses,
    Shape.MESSAGES: _messages,
    Shape.COUNT_TOKENS: _messages,
}


def _named(document: dict[str, Any]) -> list[str]:
    """What the caller calls the conversation."""
    key, conversation = document.get("prompt_cache_key"), document.get("conversation")
    name = conversation.get("id") if isinstance(conversation, dict) else conversation
    return [text for text in (key, name) if isinstance(text, str) and text]


def _user(document: dict[str, Any]) -> list[str]:
    return [text for name in ("safety_identifier", "user") if isinstance(text := document.get(name), str)]


def _opening(turns: object) -> list[str]:
    """The texts of a conversation's begin: of the system, and the user's first."""
    said: list[str] = []
    for turn in turns if isinstance(turns, list) else ():
        if not isinstance(turn, dict):
            continue
        role = turn.get("role")
        if role in _SYSTEM or role == "user":
            said += _texts(turn.get("content"))
        if role not in _SYSTEM:
            break
    return said


def _texts(value: object) -> Iterable[str]:
    """All strings in a value, but for marks of caches, which move from turn to turn."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            if name != "cache_control":
                yield from _texts(item)
