"""Everything that providers do wrong, each at an address of its own; and one that is good.

async with providers() as all_of_them:
    all_of_them.url("reset before the head")
"""

import asyncio
import contextlib
import json
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import trustme

from tests.support.upstream import (
    LAST_CHUNK,
    Peer,
    Request,
    Script,
    answer,
    chunk,
    chunks,
    event_stream,
    head,
    json_answer,
    says,
    says_then_cuts,
    says_then_stalls,
    serve,
    stream_head,
)

GOOD = "good"
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
_WHOLE = json.dumps({"choices": [{"message": {"content": "a b"}, "finish_reason": "stop"}], "usage": USAGE}).encode()
_TEXT = b'data: {"choices":[{"delta":{"content":"a "},"finish_reason":null}]}\n\n'
_STOP = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
_USAGE = b'data: {"choices":[],"usage":%b}\n\n' % json.dumps(USAGE).encode()
_DONE = b"data: [DONE]\n\n"
_FRAMES = (_TEXT, _TEXT, _TEXT, _TEXT, _STOP, _USAGE, _DONE)
_JSON = [("content-type", "application/json")]
_OVERLOADED = {"error": {"message": "overloaded", "type": "overloaded_error"}}
_DRIP_SECONDS = 0.05


class Ears:
    """How many frames the callers have got: a connection that is reset takes along what nobody has read yet."""

    def __init__(self) -> None:
        self._heard: Counter[str] = Counter()
        self._news = asyncio.Event()

    def hear(self, request_id: str) -> None:
        """One more frame has reached the caller."""
        self._heard[request_id] += 1
        self._news.set()

    async def heard(self, request_id: str, count: int) -> None:
        """Wait until the caller has got so many."""
        while self._heard[request_id] < count:
            self._news.clear()
            await self._news.wait()


@dataclass(frozen=True)
class Fault:
    """What a provider does to a plain request and to one for a stream; None where it can't happen to it.

    ``policy``: fields of its ProviderPolicy. ``place``: where the provider is said to be, when there is none.
    """

    name: str
    plain: Script | None
    stream: Script | None
    policy: dict[str, Any] = field(default_factory=dict)
    place: str = ""

    def script(self, *, stream: bool) -> Script | None:
        return self.stream if stream else self.plain


class Providers:
    """Where each of them is, by the name of its fault."""

    def __init__(self) -> None:
        self.ears = Ears()
        self.faults = _faults(self.ears)
        self._urls: dict[str, str] = {}

    def url(self, name: str) -> str:
        """Without a path."""
        return self._urls[name]

    async def start(self, stack: contextlib.AsyncExitStack) -> None:
        nobody = stack.enter_context(socket.socket())
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        places = {"refused": f"http://127.0.0.1:{nobody.getsockname()[1]}", "unknown": "http://provider.invalid"}
        good = Fault(GOOD, says(answer(200, _WHOLE, _JSON)), says(event_stream(_FRAMES)))
        for fault in (*self.faults, good):
            if fault.place in places:
                self._urls[fault.name] = places[fault.place]
                continue
            tls = _untrusted() if fault.place == "untrusted" else None
            server = await stack.enter_async_context(serve(_either(fault), tls=tls))
            self._urls[fault.name] = server.url


@contextlib.asynccontextmanager
async def providers() -> AsyncIterator[Providers]:
    """Run all of them."""
    async with contextlib.AsyncExitStack() as stack:
        found = Providers()
        await found.start(stack)
        yield found


def _faults(ears: Ears) -> Sequence[Fault]:
    slow_down, later, much_later = (_refuses(429, wait) for wait in ("", "1", "7000"))
    never = says(b"")  # is never asked
    return (
        Fault("connection refused", never, never, place="refused"),
        Fault("no such host", never, never, place="unknown"),
        Fault("certificate not trusted", never, never, place="untrusted"),
        Fault("reset before the head", says_then_cuts(b""), says_then_cuts(b"")),
        Fault("reset after the head", says_then_cuts(_begun(0)), _cut_after(0, ears)),
        Fault("reset in the body, after 1 frame", says_then_cuts(_begun(20)), _cut_after(1, ears)),
        Fault("reset after 3 frames", None, _cut_after(3, ears)),
        Fault("ended in good order after 1 frame", None, _says_later(b"", ears)),
        Fault("silence before the head", says_then_stalls(), says_then_stalls(), _timeouts()),
        Fault("silence after the head", says_then_stalls(_begun(0)), says_then_stalls(stream_head()), _timeouts()),
        Fault("silence in the body, after 1 frame", says_then_stalls(_begun(20)), _stalls_after(1), _timeouts()),
        Fault("slow, but in time", _drips_body(9), _drips_frames(_FRAMES)),
        Fault("slower than totalSeconds", _drips_body(1), _drips_after_one(), _timeouts(totalSeconds=1)),
        Fault("429", slow_down, slow_down),
        Fault("429, retry-after 1 s", later, later),
        Fault("429, retry-after 7000 s", much_later, much_later),
        Fault("500", _refuses(500), _refuses(500)),
        Fault("529", _refuses(529), _refuses(529)),
        Fault("garbage for an answer", says(answer(200, b"<html>", _JSON)), says(answer(200, b"<html>"))),
        Fault("garbage for HTTP", says_then_cuts(b"SSH-2.0-x\r\n\r\n"), says_then_cuts(b"SSH-2.0-x\r\n\r\n")),
        Fault("garbage for the first frame", None, _says_and_ends(b"data: {oops\n\n")),
        Fault("garbage for the second frame", None, _says_later(b"data: {oops\n\n", ears)),
        Fault("200 with an error", says(json_answer(_OVERLOADED)), _says_and_ends(_error_frame())),
        Fault("an error after 1 frame", None, _says_later(_error_frame(), ears)),
    )


def _timeouts(**more: int) -> dict[str, Any]:
    """The shortest that there are, for what takes too long; the others have more than a busy machine needs."""
    return {"timeouts": {"connectSeconds": 1, "firstByteSeconds": 1, "idleSeconds": 1, **more}}


def _untrusted() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return context


def _either(fault: Fault) -> Script:
    async def script(peer: Peer, request: Request) -> None:
        chosen = fault.script(stream=bool(request.json().get("stream")))
        assert chosen is not None, fault.name
        await chosen(peer, request)

    return script


def _begun(count: int) -> bytes:
    """The head of a whole answer, and so many bytes of it."""
    return head(200, [*_JSON, ("content-length", str(len(_WHOLE)))]) + _WHOLE[:count]


def _refuses(status: int, retry_after: str = "") -> Script:
    return says(json_answer(_OVERLOADED, status, [("retry-after", retry_after)] if retry_after else []))


def _error_frame() -> bytes:
    return b"data: " + json.dumps(_OVERLOADED).encode() + b"\n\n"


def _says_and_ends(*frames: bytes) -> Script:
    return says(event_stream(frames))


def _cut_after(count: int, ears: Ears) -> Script:
    async def script(peer: Peer, request: Request) -> None:
        await peer.send(stream_head(), *map(chunk, _FRAMES[:count]))
        await ears.heard(request.headers["x-request-id"], count)
        peer.cut()

    return script


def _says_later(last: bytes, ears: Ears) -> Script:
    """One frame, and once the caller has it, the last one."""

    async def script(peer: Peer, request: Request) -> None:
        await peer.send(stream_head(), chunk(_TEXT))
        await ears.heard(request.headers["x-request-id"], 1)
        await peer.send(chunks([last]))

    return script


def _stalls_after(count: int) -> Script:
    return says_then_stalls(stream_head() + b"".join(map(chunk, _FRAMES[:count])))


def _drips_body(size: int) -> Script:
    async def script(peer: Peer, request: Request) -> None:
        await peer.send(_begun(0))
        for start in range(0, len(_WHOLE), size):
            await peer.send(_WHOLE[start : start + size])
            await peer.pace(_DRIP_SECONDS)

    return script


def _drips_after_one() -> Script:
    """One frame, and then one byte after the other of a second one."""

    async def script(peer: Peer, request: Request) -> None:
        await peer.send(stream_head(), chunk(_TEXT))
        for _ in range(100):
            await peer.pace(_DRIP_SECONDS)
            await peer.send(chunk(b":"))

    return script


def _drips_frames(frames: Sequence[bytes]) -> Script:
    async def script(peer: Peer, request: Request) -> None:
        await peer.send(stream_head())
        for frame in frames:
            await peer.send(chunk(frame))
            await peer.pace(_DRIP_SECONDS)
        await peer.send(LAST_CHUNK)

    return script
