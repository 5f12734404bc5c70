"""Facts about vendors, as data. A new vendor that speaks a known shape is one more entry."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sluice_config import snapshot
from sluice_gateway.calls import Shape
from sluice_gateway.providers.adapter import Quirks

_NATIVE = frozenset(Shape) - {Shape.RESPONSES}  # those who copy OpenAI's API mostly stop short of that


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """One value of ``ProviderPolicy.spec.provider``.

    ``base_url`` is what the vendor's official SDK takes as base URL, None where each installation has its own;
    ``environment`` the variables in which that SDK looks for a key, first match wins; ``wire`` the shape it speaks;
    ``native`` those endpoints of the shape that it has; ``quirks`` how it differs.
    """

    wire: str = "openai"
    base_url: str | None = None
    environment: tuple[str, ...] = ()
    native: frozenset[Shape] = _NATIVE
    quirks: Quirks = field(default_factory=Quirks)

    def wire_of(self, policy: snapshot.Provider) -> str:
        """The shape that a policy's provider speaks: the vendor's, that of Vertex AI, or one of the user's own."""
        return policy.compatibility.wire_shape or ("vertex" if policy.google.vertex else self.wire)

    def base_url_of(self, policy: snapshot.Provider) -> str | None:
        """Where the vendor is, for a policy that does not say."""
        if policy.google.vertex is None:
            return self.base_url
        location = policy.google.vertex.location
        return f"https://{'' if location == 'global' else f'{location}-'}aiplatform.googleapis.com"


VENDORS: Mapping[str, Vendor] = {
    "openai": Vendor(
        base_url="https://api.openai.com/v1",
        environment=("OPENAI_API_KEY",),
        native=frozenset(Shape),
    ),
    "azure": Vendor(wire="azure", environment=("AZURE_OPENAI_API_KEY",)),
    "anthropic": Vendor(wire="anthropic", base_url="https://api.anthropic.com", environment=("ANTHROPIC_API_KEY",)),
    "google": Vendor(
        wire="google",
        base_url="https://generativelanguage.googleapis.com",
        environment=("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    ),
    "groq": Vendor(base_url="https://api.groq.com/openai/v1", environment=("GROQ_API_KEY",)),
    "deepseek": Vendor(base_url="https://api.deepseek.com", environment=("DEEPSEEK_API_KEY",)),
    "huggingface": Vendor(base_url="https://router.huggingface.co/v1", environment=("HF_TOKEN",)),
    "cohere": Vendor(wire="cohere", base_url="https://api.cohere.com", environment=("CO_API_KEY", "COHERE_API_KEY")),
    "ollama": Vendor(base_url="http://localhost:11434/v1"),
    "vllm": Vendor(),
    "llamacpp": Vendor(),
    "openai-compatible": Vendor(),
    "mock": Vendor(native=frozenset({Shape.CHAT})),
}
