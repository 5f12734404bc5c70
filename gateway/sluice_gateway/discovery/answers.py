"""What an answer with models may say, read with suspicion: servers send what they like."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeGuard

import msgspec

from sluice_gateway.providers.listing import Listed, listed

MOST_MODELS = 10_000
_LONGEST_NAME = 256  # the bound of ModelRoute.spec.models; no longer name can be asked for


class Unlisted(Exception):
    """A provider was asked for its models and did not say. The text names neither key nor host.

    ``status`` is that of its answer, None when there was none, or none that could be read.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class NoClient(Unlisted):
    """The package with the vendor's client is not installed: nobody was asked."""


class Offered(NamedTuple):
    """A provider's whole answer. ``slots``: how many requests its server takes at a time, if it says so."""

    models: list[Listed]
    slots: int | None = None


def parsed(body: bytes) -> Mapping[str, Any]:
    """A JSON object. Raises Unlisted."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Unlisted("the answer is not JSON") from None
    if not isinstance(document, dict):
        raise Unlisted("the answer is no JSON object")
    return document


def items(document: Mapping[str, Any], key: str, name: str = "id") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each model of a list with its name. Raises Unlisted when there is no list; passes over what has no name."""
    found = document.get(key)
    if not isinstance(found, list):
        raise Unlisted(f"the answer has no list {key}")
    for item in found[:MOST_MODELS]:
        if isinstance(item, dict) and fit(called := item.get(name)):
            yield called, item


def fit(name: object) -> TypeGuard[str]:
    """Whether something can be the name of a model."""
    return isinstance(name, str) and 0 < len(name) <= _LONGEST_NAME and name.isprintable()


def openai_models(document: Mapping[str, Any]) -> list[Listed]:
    """GET /v1/models of OpenAI's shape, with what others add to it: Groq ``context_window`` and
    ``max_completion_tokens``, vLLM ``max_model_len``, llama.cpp ``meta.n_ctx_train``.
    """
    return [
        listed(
            name,
            context_window=_first(model.get, "context_window", "max_model_len") or _trained(model.get("meta")),
            max_output_tokens=model.get("max_completion_tokens"),
        )
        for name, model in items(document, "data")
    ]


def _first(get: Callable[[str], Any], *names: str) -> Any:
    return next((value for name in names if (value := get(name)) is not None), None)


def _trained(meta: object) -> object:
    return meta.get("n_ctx_train") if isinstance(meta, dict) else None
