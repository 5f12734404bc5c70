"""Bodies that come compressed although `identity` was asked for: decoded as they come, within bounds."""

import zlib

from sluice_gateway.upstream.contract import Answer, Sink, relay_by_chunks
from sluice_gateway.upstream.errors import AnswerTooLarge, BadAnswer

# The most that one step of decoding makes.
MAX_PIECE = 64 * 1024
# Expansion beyond this is no text of a model but an attack on our memory or our callers' (deflate can do 1,032 to 1).
MAX_RATIO = 200
_FREE = 1024 * 1024

_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_DEFLATE_METHOD = 8
_STALE = frozenset(("content-encoding", "content-length"))


def decoded(answer: Answer) -> Answer:
    """`answer` itself, or one that decodes it. Raises BadAnswer for a coding that this client does not know."""
    if answer.header("content-encoding") is None:
        return answer
    codings = [value.strip().lower() for name, value in answer.headers if name == "content-encoding"]
    match codings:
        case [""] | ["identity"]:
            return answer
        case ["gzip" | "x-gzip" | "deflate" as coding]:
            return DecodedAnswer(answer, Decoder(is_gzip=coding != "deflate"))
    answer.close()
    raise BadAnswer("the answer has an unknown content coding")


class DecodedAnswer:
    """An answer whose body is decoded on its way to the reader. See contract.Answer."""

    def __init__(self, answer: Answer, decoder: "Decoder") -> None:
        self._answer = answer
        self._decoder = decoder

    @property
    def status(self) -> int:
        """See contract.Answer."""
        return self._answer.status

    @property
    def headers(self) -> list[tuple[str, str]]:
        """See contract.Answer."""
        return [pair for pair in self._answer.headers if pair[0] not in _STALE]

    def header(self, name: str) -> str | None:
        """See contract.Answer."""
        return None if name in _STALE else self._answer.header(name)

    async def read(self, limit: int) -> bytes:
        """See contract.Answer."""
        pieces: list[bytes] = []
        size = 0
        while piece := await self.chunk():
            size += len(piece)
            if size > limit:
                self.close()
                raise AnswerTooLarge
            pieces.append(piece)
        return b"".join(pieces)

    async def chunk(self) -> bytes:
        """See contract.Answer. Pieces are at most MAX_PIECE long."""
        try:
            while not (piece := self._decoder.take()):
                encoded = await self._answer.chunk()
                if not encoded:
                    self._decoder.end()
                    return b""
                self._decoder.feed(encoded)
        except BadAnswer:
            self.close()
            raise
        return piece

    async def relay(self, sink: Sink) -> None:
        """See contract.Answer."""
        await relay_by_chunks(self, sink)

    def close(self) -> None:
        """See contract.Answer."""
        self._answer.close()


class Decoder:
    """Incremental gzip (several members too) or deflate (with or without the zlib wrapping that RFC 9110 wants)."""

    def __init__(self, *, is_gzip: bool) -> None:
        self._is_gzip = is_gzip
        self._engine: zlib._Decompress | None = None
        self._pending = b""
        self._is_full = False
        self._consumed = 0
        self._produced = 0

    def feed(self, encoded: bytes) -> None:
        """Encoded bytes as they came, to be fetched decoded by `take` before the next."""
        self._pending = encoded
        self._consumed += len(encoded)

    def take(self) -> bytes:
        """The next decoded piece, b"" when more must be fed. Raises BadAnswer."""
        piece = b""
        while not piece and (self._pending or self._is_full):
            piece = self._step()
        self._produced += len(piece)
        if self._produced > _FREE + MAX_RATIO * self._consumed:
            raise BadAnswer("the answer expands too much")
        return piece

    def end(self) -> None:
        """There are no more encoded bytes. Raises BadAnswer when there should be."""
        if self._consumed and (self._engine is None or not self._engine.eof):
            raise BadAnswer("the compressed answer is cut")

    def _step(self) -> bytes:
        engine = self._engine
        if engine is None or (engine.eof and self._is_gzip):
            engine = self._engine = self._start()
        if engine.eof:
            raise BadAnswer("bytes follow the compressed answer")
        try:
            piece = engine.decompress(self._pending, MAX_PIECE)
        except zlib.error:
            raise BadAnswer("the compressed answer is damaged") from None
        self._pending = engine.unconsumed_tail or engine.unused_data
        # zlib may have taken all its input and still hold output back.
        self._is_full = len(piece) == MAX_PIECE and not engine.eof
        return piece

    def _start(self) -> "zlib._Decompress":
        if self._is_gzip:
            return zlib.decompressobj(_GZIP_WINDOW)
        is_wrapped = self._pending[0] & 0x0F == _DEFLATE_METHOD
        return zlib.decompressobj(zlib.MAX_WBITS if is_wrapped else -zlib.MAX_WBITS)
