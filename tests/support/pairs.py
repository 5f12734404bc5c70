"""Which shape of callers is expected to work in front of which provider: the one table. What is not in it is refused by
the gateway, and tests say how.
"""

from collections.abc import Mapping

from tests.support.live import OFFERS

ALL = tuple(OFFERS)
WITH_VECTORS = tuple(name for name, offer in OFFERS.items() if "embedder" in offer.models)
WITHOUT_REFUSALS = ("azure", "cohere")  # one answers 400, the other has no reason to end that says so
WITHOUT_COUNTED_THOUGHTS = ("cohere",)

PAIRS: Mapping[str, tuple[str, ...]] = {
    "chat": ALL,
    "completions": ALL,
    "embeddings": WITH_VECTORS,
    "messages": ALL,
    "responses": ALL,
}

# What a provider has no way to do, as a caller of chat completions names it.
LACKS: Mapping[str, frozenset[str]] = {
    "anthropic": frozenset({"n", "seed", "logprobs", "presence_penalty"}),
    "google": frozenset({"logit_bias"}),
    "vertex": frozenset({"logit_bias"}),
    "ollama": frozenset({"tool_choice", "logit_bias"}),
    "cohere": frozenset({"n", "logit_bias", "top_logprobs"}),
}
