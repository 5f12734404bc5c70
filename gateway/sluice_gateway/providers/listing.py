"""Which models a provider says that it offers, as last heard. Kept across configurations that reach it the same way."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from sluice_config.resources.provider_policy import Model

WAYS: Mapping[str, str] = {
    "openai": "openai",
    "anthropic": "anthropic",
    "google": "google",
    "groq": "models",
    "deepseek": "models",
    "huggingface": "models",
    "openai-compatible": "models",
    "cohere": "cohere",
    "ollama": "ollama",
    "vllm": "vllm",
    "llamacpp": "llamacpp",
}
"""How each vendor is asked. Azure lists its models, but not the deployments that requests name; Vertex AI wants tokens
of an account; the mock takes any name.
"""

_NOTHING: Mapping[str, "Listed"] = MappingProxyType({})


class Listed(NamedTuple):
    """One model of a provider's answer. ``loaded``: whether a local server has it in memory, None when unknown."""

    model: Model
    loaded: bool | None = None


def listed(
    name: str,
    *,
    display_name: object = None,
    context_window: object = None,
    max_output_tokens: object = None,
    loaded: bool | None = None,
) -> Listed:
    """A model as a provider describes it; what has not the form that it should is left out."""
    return Listed(
        Model.model_construct(
            name=name,
            display_name=display_name if isinstance(display_name, str) and display_name else None,
            context_window=_count(context_window),
            max_output_tokens=_count(max_output_tokens),
        ),
        loaded,
    )


def _count(value: object) -> int | None:
    return value if type(value) is int and value > 0 else None


class Listing:
    """What one provider lists.

    ``known``: it has answered at least once; ``problem``: why it did not when asked last; ``slots``: how many requests
    its server takes at a time, if it says so.
    """

    __slots__ = ("known", "models", "problem", "slots")

    def __init__(self) -> None:
        self.models: Mapping[str, Listed] = _NOTHING
        self.known = False
        self.problem: str | None = None
        self.slots: int | None = None

    def take(self, models: Iterable[Listed], slots: int | None = None) -> None:
        """The provider has answered."""
        self.models = {one.model.name: one for one in models}
        self.known, self.problem, self.slots = True, None, slots

    def find(self, name: str) -> Listed | None:
        """A model by its name, or by another that providers take for it: Ollama adds ``:latest`` by itself, and Hugging
        Face's router takes ``model:provider``.
        """
        models = self.models
        return models.get(name) or models.get(f"{name}:latest") or models.get(name.partition(":")[0])

    def lacks(self, name: str) -> bool:
        """Whether the provider offers models, and this is none of them."""
        return bool(self.models) and self.find(name) is None


class Listings:
    """The listings of all providers that are asked, by how each is reached: another key or URL begins a new one."""

    def __init__(self) -> None:
        self._listings: dict[tuple[object, ...], Listing] = {}

    def of(self, *reached: object) -> Listing:
        """The listing of a provider; a new one when it is reached in another way than before."""
        return self._listings.setdefault(reached, Listing())

    def keep(self, used: Iterable[Listing]) -> None:
        """Forget all others."""
        wanted = {id(listing) for listing in used}
        self._listings = {key: listing for key, listing in self._listings.items() if id(listing) in wanted}
