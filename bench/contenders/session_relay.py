"""A bare relay: aiohttp's server, aiohttp's client, no features.

python -m bench.contenders.session_relay PORT UPSTREAM_PORT
"""

import sys

import uvloop
from aiohttp import ClientSession, TCPConnector, web

from bench.contenders.serving import serve_forever


async def relay(port: int, upstream_port: int) -> None:
    """Serve until ended by a signal."""
    url = f"http://127.0.0.1:{upstream_port}/v1/chat/completions"
    headers = {"content-type": "application/json", "authorization": "Bearer key"}
    async with ClientSession(connector=TCPConnector(limit=0)) as session:

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            async with session.post(url, data=await request.read(), headers=headers) as answer:
                if answer.content_type != "text/event-stream":
                    return web.Response(body=await answer.read(), content_type=answer.content_type)
                response = web.StreamResponse(headers={"content-type": "text/event-stream"})
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
                return response

        await serve_forever(handle, port)


if __name__ == "__main__":
    uvloop.run(relay(int(sys.argv[1]), int(sys.argv[2])))
