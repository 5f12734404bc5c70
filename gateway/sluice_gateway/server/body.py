"""Reading a request's body: bounded in size and time."""

import asyncio

from aiohttp import web

from sluice_gateway.errors import CallerError, RequestTimeout, RequestTooLarge, UnsupportedMediaType

BODY_SECONDS = 60.0  # for all of a body to arrive, as nginx's client_body_timeout


async def read_json_body(request: web.BaseRequest, limit: int) -> bytes:
    """The body of a request that must be JSON.

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
        async with asyncio.timeout(BODY_SECONDS):
            return await _read(request, limit)
    except TimeoutError:
        raise RequestTimeout(f"the body did not arrive within {BODY_SECONDS:.0f} seconds") from None


async def _read(request: web.BaseRequest, limit: int) -> bytes:
    pieces, size = [], 0
    try:
        while piece := await request.content.readany():
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                raise _too_large(limit)
    except web.RequestPayloadError as error:
        raise CallerError("the body could not be read: it was cut short or is not what its headers say") from error
    return b"".join(pieces)


def _too_large(limit: int) -> RequestTooLarge:
    return RequestTooLarge(
        f"the body is larger than {limit} bytes, which is this gateway's limit (SLUICE_MAX_BODY_BYTES)"
    )
