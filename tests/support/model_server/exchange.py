"""Between HTTP and the providers' shapes: what a handler is given, and what it gives back."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeVar

import msgspec

KEY = "sk-of-the-model-server"
CREATED = 1_790_000_000  # seconds since 1970: answers are the same each time
T = TypeVar("T")


@dataclass(frozen=True)
class Ask:
    """One request. ``number`` counts them, for ids; ``place`` holds what the path names; headers are lower-case."""

    headers: Mapping[str, str]
    place: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    number: int


@dataclass(frozen=True)
class Reply:
    """A whole answer."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Events:
    """A stream of server-sent events, each as the bytes of its frame."""

    frames: Iterable[bytes]
    headers: Mapping[str, str] = field(default_factory=dict)


class Refused(Exception):
    """An answer that is raised."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply.body))
        self.reply = reply


Handler = Callable[[Ask], Reply | Events]
Routes = Mapping[tuple[str, str], Handler]
Refusing = Callable[[str], Refused]


def read(body: bytes, kind: type[T], refused: Refusing) -> T:
    """The body as ``kind``, which knows all fields that the provider does; raises what ``refused`` makes of it."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise refused(str(error)) from None


def refuse(reply: Reply) -> NoReturn:
    """Raise an answer."""
    raise Refused(reply)


def event(data: Any, name: str = "") -> bytes:
    """One frame."""
    named = f"event: {name}\n".encode() if name else b""
    return b"%bdata: %b\n\n" % (named, msgspec.json.encode(data))


def pieces(text: str, size: int = 7) -> Iterator[str]:
    """A text in pieces, as JSON is streamed: their borders mean nothing."""
    return (text[start : start + size] for start in range(0, len(text), size))
