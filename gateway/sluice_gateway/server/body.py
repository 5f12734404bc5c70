"""Reading a request's body: bounded in size and time."""

import asyncio

from aiohttp import web

from sluice_gateway.errors import CallerError, RequestTimeout, RequestTooLarge, UnsupportedMediaType

PIECE_SECONDS = 30.0  # without a byte; nginx's client_body_timeout is of this kind too, and gives 60
BODY_SECONDS = 600.0  # for all of a body: 16 MiB, the usual limit, over 250 kbit/s


async def read_json_body(
    request: web.BaseRequest, limit: int, piece_seconds: float = PIECE_SECONDS, body_seconds: float = BODY_SECONDS
) -> bytes:
    """The body of a request that must be JSON, of at most ``limit`` bytes.

    Raises UnsupportedMediaType, RequestTooLarge, RequestTimeout, CallerError.
    """
    headers = request.headers
    kind = headers.get("content-type")
    if kind is not None and kind.partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedMediaType("send the body as JSON, with the header content-type: application/json")
    length = headers.get("content-length")
    if length is not None and int(length) > limit:
        raise _too_large(limit)
    if headers.get("expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    content = request.content
    if content.is_eof():
        body = content.read_nowait()
        if len(body) > limit:
            raise _too_large(limit)
        return body
    try:
        async with asyncio.timeout(piece_seconds) as patience:
            return await _read(request, limit, patience, piece_seconds, body_seconds)
    except TimeoutError:
        message = f"nothing of the body came for {piece_seconds:g} seconds, or not all of it within {body_seconds:g}"
        raise RequestTimeout(message) from None


async def _read(
    request: web.BaseRequest, limit: int, patience: asyncio.Timeout, piece_seconds: float, body_seconds: float
) -> bytes:
    pieces, size = [], 0
    clock = asyncio.get_running_loop().time
    end = clock() + body_seconds
    try:
        while piece := await request.content.readany():
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                raise _too_large(limit)
            patience.reschedule(min(clock() + piece_seconds, end))
    except web.RequestPayloadError as error:
        raise CallerError("the body could not be read: it was cut short or is not what its headers say") from error
    return b"".join(pieces)


def _too_large(limit: int) -> RequestTooLarge:
    return RequestTooLarge(
        f"the body is larger than {limit} bytes, which is this gateway's limit (SLUICE_MAX_BODY_BYTES)"
    )
