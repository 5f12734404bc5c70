"""Servers that are asked over HTTP without a client library: local ones, and those that only copy OpenAI's shape."""

from collections.abc import Mapping
from typing import Any

from sluice_gateway.discovery.answers import Offered, Unlisted, items, openai_models, parsed
from sluice_gateway.providers.listing import listed
from sluice_gateway.providers.provider import Provider
from sluice_gateway.upstream import AnswerTooLarge, Timeouts, Upstream, UpstreamError

MOST_BYTES = 8 * 1024 * 1024
_TIMEOUTS = Timeouts(connect=5, first_byte=10, idle=10, total=20)


async def plain(provider: Provider, http: Upstream) -> Offered:
    """``GET /models`` below the base URL."""
    return Offered(openai_models(await _json(provider, http, "/models")))


async def cohere(provider: Provider, http: Upstream) -> Offered:
    """``GET /v1/models`` (Cohere's API reference, List Models); 1,000 is the largest page."""
    document = await _json(provider, http, "/v1/models?page_size=1000")
    found = [
        listed(name, context_window=_whole(model.get("context_length")))
        for name, model in items(document, "models", "name")
    ]
    return Offered(found)


async def vllm(provider: Provider, http: Upstream) -> Offered:
    """``/health`` beside the API (vLLM's OpenAI-compatible server), then its models."""
    await _get(provider, http, "/health", root=True)
    return await plain(provider, http)


async def llamacpp(provider: Provider, http: Upstream) -> Offered:
    """``/health`` (503 while a model loads), the models, and ``total_slots`` of ``/props`` (llama.cpp's server README).

    Servers may be started without ``/props``.
    """
    await _get(provider, http, "/health", root=True)
    offered = await plain(provider, http)
    try:
        slots = (await _json(provider, http, "/props", root=True)).get("total_slots")
    except Unlisted:
        return offered
    return offered._replace(slots=slots if type(slots) is int and slots > 0 else None)


async def ollama(provider: Provider, http: Upstream) -> Offered:
    """``/api/tags``, what is there, and ``/api/ps``, what is in memory with which context (Ollama's API reference)."""
    tags = await _json(provider, http, "/api/tags", root=True)
    running = dict(items(await _json(provider, http, "/api/ps", root=True), "models", "name"))
    return Offered(
        [
            listed(name, context_window=running.get(name, {}).get("context_length"), loaded=name in running)
            for name, _ in items(tags, "models", "name")
        ]
    )


def _whole(number: object) -> object:
    """Cohere sends whole numbers with a decimal point."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


async def _json(provider: Provider, http: Upstream, path: str, *, root: bool = False) -> Mapping[str, Any]:
    return parsed(await _get(provider, http, path, root=root))


async def _get(provider: Provider, http: Upstream, path: str, *, root: bool = False) -> bytes:
    """The body of a 200. Raises Unlisted."""
    try:
        answer = await http.send(provider.reading(path, root=root), b"", _TIMEOUTS)
        try:
            if answer.status != 200:
                raise Unlisted(f"{path.partition('?')[0]} answers with status {answer.status}")
            return await answer.read(MOST_BYTES)
        finally:
            answer.close()
    except AnswerTooLarge:
        raise Unlisted(f"{path.partition('?')[0]} answers with more than {MOST_BYTES} bytes") from None
    except UpstreamError as error:
        raise Unlisted(error.reason) from error
