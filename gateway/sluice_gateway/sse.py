"""Server-sent events as bytes: where frames end, and what their data is (WHATWG HTML, 9.2.6).

A stream is relayed in whole frames only, so that an error event can follow at any point and still be well formed.
"""

MAX_FRAME_BYTES = 16 * 1024 * 1024  # as large as a request may be: images and audio come in single frames

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # which a stream may begin with
DONE = b"data: [DONE]\n\n"
KEEP_ALIVE = b": keep-alive\n\n"


class BadEvent(Exception):
    """A provider sent what is no event of its wire shape. The text is safe to show."""


class FrameTooLarge(BadEvent):
    """A frame did not end within MAX_FRAME_BYTES."""


class Framer:
    """Cuts what arrives at the ends of frames; holds back at most one unfinished frame."""

    __slots__ = ("_edge", "_pieces", "_size")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0
        self._edge = b""  # the last two bytes held: an end of frame may be cut anywhere

    def feed(self, chunk: bytes) -> bytes:
        """All frames that are complete now, as one piece; b"" when there is none. Raises FrameTooLarge."""
        if not self._pieces:
            if chunk.endswith(b"\n\n"):
                return chunk
        else:
            # Only the seam and what follows can hold a new end: looked at first, so that a frame of many pieces costs
            # linear time.
            seam = self._edge + chunk
            if b"\n\n" not in seam and b"\n\r\n" not in seam:
                return self._hold(chunk)
            self._pieces.append(chunk)
            chunk = b"".join(self._pieces)
            self._clear()
        end = max(chunk.rfind(b"\n\n") + 2, chunk.rfind(b"\n\r\n") + 3)
        if end <= 2:  # neither was found
            return self._hold(chunk)
        if end < len(chunk):
            self._hold(chunk[end:])
        return chunk[:end]

    def rest(self) -> bytes:
        """What was held back when the stream ended, closed as a frame; b"" when nothing was."""
        if not self._pieces:
            return b""
        rest = b"".join(self._pieces)
        self._clear()
        return rest + b"\n\n"

    def _hold(self, piece: bytes) -> bytes:
        if piece:
            self._pieces.append(piece)
            self._size += len(piece)
            self._edge = (self._edge + piece[-2:])[-2:]
            if self._size > MAX_FRAME_BYTES:
                raise FrameTooLarge(f"the provider sent an event of more than {MAX_FRAME_BYTES} bytes")
        return b""

    def _clear(self) -> None:
        self._pieces, self._size, self._edge = [], 0, b""


def data_of(frames: bytes) -> list[bytes]:
    """The data of each event in ``frames`` (whole frames); comments and events without data give nothing."""
    if frames.startswith(b"data: ") and frames.find(b"\n") == len(frames) - 2:
        return [frames[6:-2]]  # by far the most common: one frame of one line
    frames = frames.removeprefix(_BYTE_ORDER_MARK)
    if b"\r" in frames:
        frames = frames.replace(b"\r\n", b"\n")
    found = []
    for frame in frames.split(b"\n\n"):
        if frame.startswith(b"data: ") and b"\n" not in frame:
            found.append(frame[6:])
        elif frame and (data := _data_of_lines(frame)) is not None:
            found.append(data)
    return found


def split(frames: bytes) -> list[bytes]:
    """Each of whole frames by itself, with its end."""
    if b"\r" in frames:
        frames = frames.replace(b"\r\n", b"\n")
    return [frame + b"\n\n" for frame in frames.split(b"\n\n") if frame]


def first(frames: bytes, count: int) -> bytes:
    """The leading part of ``frames`` up to and with the ``count``-th event that has data, lines ended by LF."""
    part = b""
    for frame in frames.replace(b"\r\n", b"\n").split(b"\n\n"):
        if count == 0:
            break
        part += frame + b"\n\n"
        count -= bool(data_of(frame))
    return part


def _data_of_lines(frame: bytes) -> bytes | None:
    lines = [line[5:].removeprefix(b" ") for line in frame.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(lines) if lines else None


def error_frame(body: bytes) -> bytes:
    """One event that holds an error object."""
    return b"data: " + body + b"\n\n"
