"""A bare relay: aiohttp's server, Sluice's own upstream leg, no features.

python -m bench.contenders.lean_relay PORT UPSTREAM_PORT
"""

import sys

import uvloop
from aiohttp import web

from bench.contenders.serving import serve_forever
from sluice_gateway.upstream import Endpoint, LeanUpstream, Timeouts

_TIMEOUTS = Timeouts(connect=5, first_byte=60, idle=60, total=600)
_LIMIT = 64 * 1024 * 1024


async def relay(port: int, upstream_port: int) -> None:
    """Serve until ended by a signal."""
    headers = [("content-type", "application/json"), ("authorization", "Bearer key")]
    endpoint = Endpoint("POST", f"http://127.0.0.1:{upstream_port}/v1/chat/completions", headers)
    upstream = LeanUpstream()

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        answer = await upstream.send(endpoint, await request.read(), _TIMEOUTS)
        try:
            content_type = answer.header("content-type") or ""
            if content_type != "text/event-stream":
                return web.Response(body=await answer.read(_LIMIT), headers={"content-type": content_type})
            response = web.StreamResponse(headers={"content-type": content_type})
            await response.prepare(request)
            while chunk := await answer.chunk():
                await response.write(chunk)
            await response.write_eof()
            return response
        finally:
            answer.close()

    await serve_forever(handle, port)


if __name__ == "__main__":
    uvloop.run(relay(int(sys.argv[1]), int(sys.argv[2])))
