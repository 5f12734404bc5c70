"""The server: which provider answers where, on a free port of loopback.

Each provider has a path of its own, so that ``server.url + "/anthropic"`` is what its SDK takes as base URL.
"""

import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import msgspec
from aiohttp import web

from tests.support.model_server import (
    anthropic,
    azure,
    cohere,
    google,
    local,
    openai_chat,
    openai_errors,
    openai_responses,
    openai_texts,
)
from tests.support.model_server.exchange import Ask, Events, Handler, Refused, Reply, Routes

_VERTEX = "/{version:v1|v1beta1}/projects/{project}/locations/{location}/publishers/google/models/{model}:{action}"
ROUTES: Routes = {
    ("POST", "/openai/v1/chat/completions"): openai_chat.chat,
    ("POST", "/openai/v1/completions"): openai_texts.completions,
    ("POST", "/openai/v1/embeddings"): openai_texts.embeddings,
    ("POST", "/openai/v1/responses"): openai_responses.responses,
    ("GET", "/openai/v1/models"): openai_errors.models,
    ("GET", "/openai/v1/models/{model}"): openai_errors.model,
    ("POST", "/azure/openai/deployments/{deployment}/chat/completions"): azure.chat,
    ("POST", "/azure/openai/deployments/{deployment}/completions"): azure.completions,
    ("POST", "/azure/openai/deployments/{deployment}/embeddings"): azure.embeddings,
    ("POST", "/anthropic/v1/messages"): anthropic.messages,
    ("POST", "/anthropic/v1/messages/count_tokens"): anthropic.count_tokens,
    ("GET", "/anthropic/v1/models"): anthropic.models,
    ("POST", "/google/{version:v1|v1beta}/models/{model}:{action}"): google.gemini,
    ("GET", "/google/{version:v1|v1beta}/models"): google.models,
    ("POST", f"/vertex{_VERTEX}"): google.vertex,
    ("POST", "/cohere/v2/chat"): cohere.chat,
    ("POST", "/cohere/v2/embed"): cohere.embed,
    ("GET", "/cohere/v1/models"): cohere.models,
    ("POST", "/ollama/v1/chat/completions"): local.chat,
    ("POST", "/ollama/v1/completions"): local.completions,
    ("GET", "/ollama/api/tags"): local.tags,
    ("GET", "/ollama/api/ps"): local.running,
}


@dataclass(frozen=True)
class ModelServer:
    """A server that runs at ``url``."""

    url: str


@contextlib.asynccontextmanager
async def serve(port: int = 0, *, loading: int = 0) -> AsyncIterator[ModelServer]:
    """Run a server. ``loading``: how many requests TGI refuses because its model is not in memory yet."""
    app = web.Application(client_max_size=32 * 2**20)
    numbers = itertools.count(1)
    routes = {**ROUTES, ("POST", "/tgi/v1/chat/completions"): local.loading(loading)}
    for (method, path), handler in routes.items():
        app.router.add_route(method, path, _handling(handler, numbers))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        host, chosen = runner.addresses[0][:2]
        yield ModelServer(f"http://{host}:{chosen}")
    finally:
        await runner.cleanup()


def _handling(
    handler: Handler, numbers: "itertools.count[int]"
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        ask = Ask(headers, dict(request.match_info), dict(request.query), await request.read(), next(numbers))
        try:
            said = handler(ask)
        except Refused as refusal:
            said = refusal.reply
        return _whole(said) if isinstance(said, Reply) else await _streamed(said, request)

    return handle


def _whole(said: Reply) -> web.Response:
    headers = {"content-type": "application/json", **said.headers}
    return web.Response(body=msgspec.json.encode(said.body), status=said.status, headers=headers)


async def _streamed(said: Events, request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "text/event-stream", **said.headers})
    await response.prepare(request)
    for frame in said.frames:
        await response.write(frame)
    await response.write_eof()
    return response
