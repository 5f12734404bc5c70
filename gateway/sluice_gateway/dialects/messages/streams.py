"""Writing streams of messages (Anthropic's page "Streaming messages").

Blocks follow each other: one is open at a time, and its index never comes back. Providers may send the arguments of
several tool calls side by side: what belongs elsewhere waits until the arguments of the open call are a whole.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from math import ceil
from typing import Any

import msgspec

from sluice_gateway.dialects.dialect import Asked
from sluice_gateway.dialects.messages.answers import (
    guessed,
    omits_thoughts,
    opening,
    picture,
    redacted_thinking,
    stop_reason,
    thinking,
    usage_of,
)
from sluice_gateway.dialects.messages.errors import END_MARK
from sluice_gateway.dialects.messages.seals import CALL, ENCRYPTED, THOUGHT, sealed
from sluice_gateway.dialects.partial_json import PartialObject
from sluice_gateway.normal.answers import (
    Counted,
    Delta,
    Finish,
    Finished,
    PartDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ThoughtDelta,
    ToolCallDelta,
)
from sluice_gateway.normal.estimate import A_TOOL, BYTES_A_TOKEN
from sluice_gateway.normal.parts import Audio, Image
from sluice_gateway.normal.usage import Usage

_encode = msgspec.json.encode
_DELTA = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"%b","%b":'
_START = b'event: content_block_start\ndata: {"type":"content_block_start","index":%d,"content_block":%b}\n\n'
_STOP = b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n'
_END = b"}}\n\n"

_TEXT = (b"text_delta", b"text")
_THINKING = (b"thinking_delta", b"thinking")
_INPUT = (b"input_json_delta", b"partial_json")
_SIGNATURE = (b"signature_delta", b"signature")


class MessagesStreamWriter:
    """Writes one stream. Callers of this shape ask for one answer: others that a provider may send are left out."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._begun = False
        self._blocks = _Blocks(omits_thoughts=omits_thoughts(asked))
        self._held: deque[list[Delta]] = deque()
        self._held_calls: dict[int, list[Delta]] = {}
        self._finished = Finished(Finish.STOP)
        self._writers: Mapping[type, Callable[[Any], bytes]] = {
            TextDelta: self._blocks.text,
            RefusalDelta: self._blocks.refusal,
            ThoughtDelta: self._blocks.thought,
            ToolCallDelta: self._blocks.tool_call,
            PartDelta: self._blocks.part,
            Finished: self._finish,
        }

    def write(self, deltas: Iterable[Delta]) -> bytes:
        """Frames for ``deltas``, in linear time: one event of a provider's may hold very many."""
        frames: list[bytes] = []
        if not self._begun:
            deltas = tuple(deltas)
            if not any(type(delta) is Started or type(delta) in self._writers for delta in deltas):
                return b""
            frames.append(self._begin(deltas))
        frames.extend(map(self._take, deltas))
        return b"".join(frames)

    def end(self, usage: Usage | None) -> bytes:
        """What ends every message: why it ended, what it took, and the end mark."""
        frames = b"" if self._begun else self._begin(())
        finished = self._finished
        delta = {
            "stop_reason": stop_reason(finished.finish, refused=self._blocks.refused),
            "stop_sequence": finished.stop_sequence,
        }
        frames += self._flush()
        usage = usage or guessed(self._blocks.tokens(), self._asked)
        told = _encode({"type": "message_delta", "delta": delta, "usage": usage_of(usage)})
        return b"%bevent: message_delta\ndata: %b\n\n%b" % (frames, told, END_MARK)

    def _begin(self, deltas: Iterable[Delta]) -> bytes:
        """The first event, with what the provider has counted by then."""
        started, counted = Started(), Counted(Usage())
        for delta in deltas:
            if isinstance(delta, Started):
                started = delta
            elif isinstance(delta, Counted):
                counted = delta
        self._begun = True
        message = {
            **opening(started.id, started.model, self._asked),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage_of(counted.usage, counted.service_tier),
        }
        return b"event: message_start\ndata: %b\n\n" % _encode({"type": "message_start", "message": message})

    def _take(self, delta: Delta) -> bytes:
        writer = self._writers.get(type(delta))
        choice: int = getattr(delta, "choice", 0)
        if writer is None or choice != 0:
            return b""
        blocks = self._blocks
        if blocks.call is None or type(delta) is Finished or blocks.knows(delta):
            return writer(delta)
        self._hold(delta)
        return self._release()

    def _hold(self, delta: Delta) -> None:
        """Let ``delta`` wait, with what waits for the same call."""
        if not isinstance(delta, ToolCallDelta):
            self._held.append([delta])
        elif delta.index in self._held_calls:
            self._held_calls[delta.index].append(delta)
        else:
            self._held_calls[delta.index] = [delta]
            self._held.append(self._held_calls[delta.index])

    def _release(self, *, all_of_it: bool = False) -> bytes:
        """Write what waits, up to and with a call whose arguments are no whole yet."""
        frames: list[bytes] = []  # there may be very many, and adding to bytes copies all that there are
        while self._held and (all_of_it or self._blocks.call is None or self._blocks.arguments.complete()):
            for delta in self._held.popleft():
                frames.append(self._writers[type(delta)](delta))
                if isinstance(delta, ToolCallDelta):
                    self._held_calls.pop(delta.index, None)
        return b"".join(frames)

    def _flush(self) -> bytes:
        """Nothing more comes for any call."""
        return self._release(all_of_it=True) + self._blocks.close()

    def _finish(self, delta: Finished) -> bytes:
        self._finished = delta
        return self._flush()


class _Blocks:
    """The blocks of one message, one after the other.

    ``call`` is the number of the tool call whose block is open, ``arguments`` what came of it; ``refused``: some words
    were a refusal.
    """

    def __init__(self, *, omits_thoughts: bool) -> None:
        self.call: int | None = None
        self.arguments = PartialObject()
        self.refused = False
        self._omits_thoughts = omits_thoughts
        self._said = 0
        self._index = -1
        self._kind = b""
        self._prefix = b""
        self._origin = ""
        self._calls: set[int] = set()

    def knows(self, delta: Delta) -> bool:
        """Whether ``delta`` is for the open tool call, or for one that was a whole: then it is nothing but blanks."""
        return isinstance(delta, ToolCallDelta) and delta.index in self._calls

    def tokens(self) -> int:
        """About how many tokens were written, by ``normal.estimate``."""
        return ceil(self._said / BYTES_A_TOKEN) + A_TOOL * len(self._calls)

    def text(self, delta: TextDelta) -> bytes:
        """Words."""
        return self._words(delta.text) if delta.text else b""

    def refusal(self, delta: RefusalDelta) -> bytes:
        """Words of a refusal."""
        self.refused = True
        return self._words(delta.text) if delta.text else b""

    def _words(self, text: str) -> bytes:
        if self._kind == b"text":
            return self._more(text)
        return self._open(b"text", b'{"type":"text","text":""}', _TEXT) + self._more(text)

    def _more(self, text: str) -> bytes:
        """More of what the open block holds."""
        self._said += len(text) if text.isascii() else len(text.encode())
        return self._prefix + _encode(text) + _END

    def thought(self, delta: ThoughtDelta) -> bytes:
        """A thought, or its seal, which ends it."""
        frames = b""
        origin = delta.origin or self._origin
        if delta.text and not self._omits_thoughts:
            frames = self._think(origin) + self._more(delta.text)
        if delta.signature:
            frames += self._think(origin) + self._seal(sealed(THOUGHT, origin, delta.signature))
        if delta.encrypted is None:
            return frames
        if self._kind == b"thinking":
            return frames + self._seal(sealed(ENCRYPTED, origin, delta.encrypted))
        return frames + self._whole(redacted_thinking(delta.encrypted, origin))

    def _think(self, origin: str) -> bytes:
        frames = b"" if self._kind == b"thinking" else self._open(b"thinking", _encode(thinking("", "")), _THINKING)
        self._origin = origin
        return frames

    def _seal(self, signature: str) -> bytes:
        """The signature of the open thought, and its end."""
        self._kind, self._origin = b"", ""
        return _DELTA % (self._index, *_SIGNATURE) + _encode(signature) + _END + _STOP % self._index

    def tool_call(self, delta: ToolCallDelta) -> bytes:
        """A tool call, or more of its arguments."""
        frames = b""
        if delta.index not in self._calls:
            self._calls.add(delta.index)
            frames = self._begin_call(delta)
        elif delta.index != self.call:
            return b""
        if not delta.arguments:
            return frames
        self.arguments.feed(delta.arguments)
        return frames + self._more(delta.arguments)

    def _begin_call(self, delta: ToolCallDelta) -> bytes:
        frames = b""
        if delta.signature is not None:
            frames = self._whole(thinking("", ""), sealed(CALL, delta.origin, delta.signature))
        block = {"type": "tool_use", "id": delta.id, "name": delta.name, "input": {}}
        frames += self._open(b"tool_use", _encode(block), _INPUT)
        self._said += len(delta.name.encode())
        self.call, self.arguments = delta.index, PartialObject()
        return frames

    def part(self, delta: PartDelta) -> bytes:
        """A picture, or sound, as words in a block of its own."""
        words = ""
        if isinstance(delta.part, Image):
            words = picture(delta.part)
        elif isinstance(delta.part, Audio):
            words = delta.part.transcript or ""
        return self.close() + self._words(words) + self.close() if words else b""

    def _open(self, kind: bytes, block: bytes, delta: tuple[bytes, bytes]) -> bytes:
        frames = self.close()
        self._index += 1
        self._kind = kind
        self._prefix = _DELTA % (self._index, *delta)
        return frames + _START % (self._index, block)

    def _whole(self, block: dict[str, Any], signature: str = "") -> bytes:
        """A block that is at its end as soon as it begins."""
        frames = self._open(b"thinking", _encode(block), _THINKING)
        if signature:
            return frames + self._seal(signature)
        self._kind = b""
        return frames + _STOP % self._index

    def close(self) -> bytes:
        """End the open block, if there is one. A thought without a seal still says whose it is."""
        kind, self._kind, self.call = self._kind, b"", None
        origin, self._origin = self._origin, ""
        if not kind:
            return b""
        if kind == b"thinking" and (signature := sealed(THOUGHT, origin, None)):
            return self._seal(signature)
        return _STOP % self._index
