"""What those who speak OpenAI's shape take of a request, where callers of other shapes may ask for more."""

from sluice_gateway.providers.parameters import Parameters

# Members of the body that the normal form has no name for: OpenAI API reference, "Create chat completion".
_OPENAI_OWN = frozenset(
    {
        "audio",
        "moderation",
        "prediction",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "store",
        "web_search_options",
    }
)

# Members that servers of open models add: vLLM, "OpenAI-compatible server" (extra parameters); llama.cpp, "server",
# POST /completion; Ollama, "OpenAI compatibility".
_SERVERS_OWN = frozenset(
    {
        "allowed_token_ids",
        "bad_words",
        "cache_prompt",
        "cache_salt",
        "chat_template_kwargs",
        "dry_base",
        "dry_multiplier",
        "grammar",
        "id_slot",
        "ignore_eos",
        "include_stop_str_in_output",
        "length_penalty",
        "min_p",
        "min_tokens",
        "mirostat",
        "mirostat_eta",
        "mirostat_tau",
        "priority",
        "prompt_logprobs",
        "reasoning",
        "reasoning_format",
        "repeat_last_n",
        "repeat_penalty",
        "repetition_penalty",
        "samplers",
        "skip_special_tokens",
        "stop_token_ids",
        "structured_outputs",
        "thinking",
        "typical_p",
        "use_beam_search",
        "xtc_probability",
        "xtc_threshold",
    }
)

# Members of Groq's own: Groq, "API reference", create chat completion.
_GROQ_OWN = frozenset(
    {
        "citation_options",
        "compound_custom",
        "disable_tool_validation",
        "documents",
        "include_reasoning",
        "reasoning_format",
        "search_settings",
    }
)

ANYBODY = Parameters(extra=_OPENAI_OWN | _SERVERS_OWN | _GROQ_OWN)
"""A server that nothing is known of: it knows best what it can take."""

OPENAI_RANGES = {
    "temperature": (0.0, 2.0),
    "top_p": (0.0, 1.0),
    "presence_penalty": (-2.0, 2.0),
    "frequency_penalty": (-2.0, 2.0),
    "top_logprobs": (0.0, 20.0),
}
"""OpenAI API reference, "Create chat completion"; Groq and DeepSeek have the same."""

OPENAI_ONLY = Parameters(unsupported=frozenset({"top_k"}), ranges=OPENAI_RANGES, most_stops=4, extra=_OPENAI_OWN)
"""OpenAI itself, and Azure."""

GROQ_ONLY = Parameters(unsupported=frozenset({"top_k"}), ranges=OPENAI_RANGES, most_stops=4, extra=_GROQ_OWN)
"""Groq, "API reference", create chat completion."""

DEEPSEEK_ONLY = Parameters(
    unsupported=frozenset({"top_k"}), ranges=OPENAI_RANGES, most_stops=16, extra=frozenset({"thinking", "user_id"})
)
"""DeepSeek, "Create chat completion"."""

NO_TOP_K = Parameters(unsupported=frozenset({"top_k"}), extra=ANYBODY.extra)
"""Ollama ("OpenAI compatibility") and TGI ("Messages API") have samplers of their own, but no place for this one."""
