"""Facts about vendors, as data. A new vendor that speaks a known shape is one more entry."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sluice_config import snapshot
from sluice_gateway.calls import Shape
from sluice_gateway.providers.adapter import Quirks
from sluice_gateway.providers.openai.parameters import DEEPSEEK_ONLY, GROQ_ONLY, NO_TOP_K, OPENAI_ONLY

_NATIVE = frozenset(Shape) - {Shape.RESPONSES}  # those who copy OpenAI's API mostly stop short of that


# The older name of the limit is refused by models that reason ("Create chat completion", max_tokens); of a function's
# name at most 64 characters are taken (the same, tools).
_OPENAI = Quirks(
    in_answers={"reasoning_content": None, "reasoning": None, "reasoning_details": None, "extra_content": None},
    parameters=OPENAI_ONLY,
    max_tokens="max_completion_tokens",
    text_parts=True,
    longest_name=64,
)


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
        """The shape that a policy's provider speaks: the vendor's, another API of it, or one of the user's own."""
        if self.wire == "azure" and policy.azure.api_version is None:
            return "azure-v1-based" if (policy.base_url or "").rstrip("/").endswith("/openai/v1") else "azure-v1"
        return policy.compatibility.wire_shape or ("vertex" if policy.google.vertex else self.wire)

    def base_url_of(self, policy: snapshot.Provider) -> str | None:
        """Where the vendor is, for a policy that does not say."""
        if policy.google.vertex is None:
            return self.base_url
        location = policy.google.vertex.location
        if location in ("us", "eu"):  # each a region of regions
            return f"https://aiplatform.{location}.rep.googleapis.com"
        return f"https://{'' if location == 'global' else f'{location}-'}aiplatform.googleapis.com"


VENDORS: Mapping[str, Vendor] = {
    "openai": Vendor(
        base_url="https://api.openai.com/v1",
        environment=("OPENAI_API_KEY",),
        native=frozenset(Shape),
        quirks=replace(_OPENAI, renamed={"max_tokens": "max_completion_tokens"}),  # all its models know the newer name
    ),
    "azure": Vendor(wire="azure", environment=("AZURE_OPENAI_API_KEY",), native=frozenset(Shape), quirks=_OPENAI),
    "anthropic": Vendor(wire="anthropic", base_url="https://api.anthropic.com", environment=("ANTHROPIC_API_KEY",)),
    "google": Vendor(
        wire="google",
        base_url="https://generativelanguage.googleapis.com",
        environment=("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    ),
    "groq": Vendor(  # "OpenAI compatibility", "Reasoning"
        base_url="https://api.groq.com/openai/v1",
        environment=("GROQ_API_KEY",),
        native=frozenset({Shape.CHAT, Shape.RESPONSES}),
        quirks=Quirks(
            unsupported=frozenset({"logprobs", "top_logprobs", "logit_bias", "n", "modalities", "verbosity"}),
            in_answers={"reasoning_content": "reasoning", "reasoning_details": None, "extra_content": None},
            parameters=GROQ_ONLY,
            max_tokens="max_completion_tokens",
            thoughts="reasoning",
        ),
    ),
    "deepseek": Vendor(  # "Create chat completion", "Thinking mode"
        base_url="https://api.deepseek.com",
        environment=("DEEPSEEK_API_KEY",),
        native=frozenset({Shape.CHAT}),
        quirks=Quirks(
            unsupported=frozenset({"n", "seed", "logit_bias", "parallel_tool_calls", "modalities", "verbosity"}),
            renamed={"max_completion_tokens": "max_tokens"},
            parameters=DEEPSEEK_ONLY,
            thoughts="reasoning_content",
            thoughts_needed=True,
            no_thinking={"thinking": {"type": "disabled"}},
            json_schema=False,
        ),
    ),
    "huggingface": Vendor(  # the router only chats; TGI marks n and logit_bias as unused ("Messages API")
        base_url="https://router.huggingface.co/v1",
        environment=("HF_TOKEN",),
        native=frozenset({Shape.CHAT, Shape.EMBEDDINGS}),
        quirks=Quirks(
            unsupported=frozenset({"n", "logit_bias"}),
            renamed={"max_completion_tokens": "max_tokens"},
            parameters=NO_TOP_K,
        ),
    ),
    "cohere": Vendor(wire="cohere", base_url="https://api.cohere.com", environment=("CO_API_KEY", "COHERE_API_KEY")),
    "ollama": Vendor(  # "OpenAI compatibility", supported request fields
        base_url="http://localhost:11434/v1",
        quirks=Quirks(
            unsupported=frozenset({"n", "logit_bias", "tool_choice"}),
            renamed={"max_completion_tokens": "max_tokens"},
            parameters=NO_TOP_K,
            thoughts="reasoning",
        ),
    ),
    "vllm": Vendor(quirks=Quirks(thoughts="reasoning")),  # "Reasoning outputs"
    "llamacpp": Vendor(  # "server", POST /v1/chat/completions; a choice by name is taken for "auto"
        quirks=Quirks(thoughts="reasoning_content", named_choice=False),
    ),
    "openai-compatible": Vendor(),
    "mock": Vendor(native=frozenset({Shape.CHAT})),
}
