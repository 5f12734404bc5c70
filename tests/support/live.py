"""A gateway in front of the model server's providers, both in a thread of their own: for clients of any kind.

Each provider's models have a route of their own: ``anthropic`` is its plain model, ``anthropic-thinker`` one that
reasons, ``google-embedder`` one for vectors. The models' own names lead to the first provider that has them.
"""

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

from sluice_gateway.sources.source import Loaded
from tests.support.gateway import gateway, loaded, route
from tests.support.model_server.exchange import KEY
from tests.support.model_server.server import serve

_PATIENCE = 20.0


@dataclass(frozen=True)
class Offer:
    """A provider's policy without its key, and its models by their kind; ``path`` is the server's for it."""

    path: str
    models: Mapping[str, str]
    spec: Mapping[str, Any]
    key: bool = True


_OPENAI = {"plain": "gpt-4o-mini", "thinker": "gpt-5"}
_OPEN = {"plain": "gpt-4o-mini", "thinker": "reasoner"}
_DEPLOYED = {"plain": "chat-deployment", "thinker": "thinker", "embedder": "embedder", "completer": "completer"}
_OF_OPENAI = {"embedder": "text-embedding-3-small", "completer": "gpt-3.5-turbo-instruct"}
_GEMINI = {"plain": "gemini-2.5-flash-lite", "thinker": "gemini-3-pro", "embedder": "gemini-embedding-001"}
_COHERE = {"plain": "command-a-03-2025", "thinker": "command-a-reasoning-08-2025", "embedder": "embed-v4.0"}
_VERTEX = {"project": "p", "location": "global"}

OFFERS: Mapping[str, Offer] = {
    "openai": Offer("/openai/v1", _OPENAI | _OF_OPENAI, {"provider": "openai"}),
    "azure": Offer("/azure", _DEPLOYED, {"provider": "azure", "azure": {"apiVersion": "2024-10-21"}}),
    "anthropic": Offer(
        "/anthropic", {"plain": "claude-haiku-4-5", "thinker": "claude-opus-5"}, {"provider": "anthropic"}
    ),
    "google": Offer("/google", _GEMINI, {"provider": "google"}),
    "vertex": Offer("/vertex", _GEMINI, {"provider": "google", "google": {"vertex": _VERTEX}}),
    "cohere": Offer("/cohere", _COHERE, {"provider": "cohere"}),
    "ollama": Offer("/ollama/v1", _OPEN, {"provider": "ollama"}, key=False),
    "compatible": Offer("/openai/v1", _OPEN | _OF_OPENAI, {"provider": "openai-compatible"}),
}


@dataclass(frozen=True)
class Site:
    """Where both are."""

    gateway: str
    models: str

    @property
    def openai(self) -> str:
        """What OpenAI's SDK takes as base URL."""
        return f"{self.gateway}/v1"


def policies(url: str) -> Loaded:
    """All providers of the server at ``url``; ``stranger`` has a key that is refused, ``clamp`` and ``drop`` are called
    as the policy that they have for what Google can't do.
    """
    documents = [_policy(name, url, offer) for name, offer in OFFERS.items()]
    documents.append(_policy("stranger", url, OFFERS["anthropic"]))
    google = OFFERS["google"]
    for lenience in ("clamp", "drop"):
        documents.append(_policy(lenience, url, replace(google, spec={**google.spec, "parameterPolicy": lenience})))
        documents.append(route(lenience, f"{lenience}/{google.models['plain']}", models=(lenience,)))
    for name, offer in OFFERS.items():
        for kind, model in offer.models.items():
            shown = name if kind == "plain" else f"{name}-{kind}"
            documents.append(route(shown, f"{name}/{model}", models=(shown,)))
    named = {model: name for name, offer in reversed(list(OFFERS.items())) for model in offer.models.values()}
    for number, (model, name) in enumerate(named.items()):
        documents.append(route(f"named-{number}", name, models=(model,)))
    documents.append(route("stranger", "stranger/claude-opus-5", models=("stranger",)))
    return loaded("".join(documents), keys={"right": KEY, "wrong": "sk-wrong"})


def _policy(name: str, url: str, offer: Offer) -> str:
    spec = {**offer.spec, "baseURL": url + offer.path}
    if offer.key:
        secret = "wrong" if name == "stranger" else "right"
        spec["credentials"] = {"secretRef": {"name": secret, "key": "api-key"}}
    document = {
        "apiVersion": "sluice.dev/v1alpha1",
        "kind": "ProviderPolicy",
        "metadata": {"name": name},
        "spec": spec,
    }
    return f"---\n{json.dumps(document)}\n"


@contextlib.contextmanager
def live() -> Iterator[Site]:
    """Run both, until the context ends."""
    found: Future[Site] = Future()
    ended: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def run() -> None:
        event = asyncio.Event()
        ended.set_result((asyncio.get_running_loop(), event))
        async with serve() as server, gateway(policies(server.url)) as sluice:
            found.set_result(Site(sluice.url, server.url))
            await event.wait()

    def in_thread() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:
            if not found.done():
                found.set_exception(error)
            raise

    thread = threading.Thread(target=in_thread, name="model server and gateway")
    thread.start()
    try:
        yield found.result(_PATIENCE)
    finally:
        loop, event = ended.result(_PATIENCE)
        if thread.is_alive():
            loop.call_soon_threadsafe(event.set)
        thread.join(_PATIENCE)
