"""Usage as OpenAI reports it, and as those do who speak its shape (OpenAI API reference, "The chat completion object").

| who | says otherwise |
|---|---|
| Groq | ``x_groq.usage``, in the last chunk of a stream ("API reference", chat completion chunk) |
| DeepSeek | ``prompt_cache_hit_tokens`` ("Context caching") |
| Moonshot | ``cached_tokens`` beside the others; ``choices[].usage`` in streams ("Chat") |
| llama.cpp | ``timings``, when usage was not asked for ("server", "Result JSON") |
| xAI, Google | reasoning is not part of ``completion_tokens``, only of ``total_tokens`` |
"""

import msgspec

from sluice_gateway.normal.usage import Usage, tokens


class Details(msgspec.Struct, gc=False):
    """What a count is made of."""

    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None


class Reported(msgspec.Struct, gc=False):
    """``usage``."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: Details | None = None
    completion_tokens_details: Details | None = None
    prompt_cache_hit_tokens: int | None = None
    cached_tokens: int | None = None


class Groq(msgspec.Struct, gc=False):
    """``x_groq``. ``error`` says why a stream was stopped early."""

    usage: Reported | None = None
    error: str | None = None


class Timings(msgspec.Struct, gc=False):
    """``timings``: of the prompt, ``prompt_n`` tokens were read anew, ``cache_n`` from the slot's cache."""

    prompt_n: int | None = None
    predicted_n: int | None = None
    cache_n: int | None = None


_NONE = Details()


def counted(reported: Reported | None) -> Usage | None:
    """Usage in the normal form; None when nothing was counted, which is never what a request takes."""
    if reported is None:
        return None
    prompt, completion = tokens(reported.prompt_tokens), tokens(reported.completion_tokens)
    if not prompt and not completion:
        return None
    read, written = reported.prompt_tokens_details, reported.completion_tokens_details
    other = reported.prompt_cache_hit_tokens or reported.cached_tokens
    if read is None and written is None:  # as most servers say it that are not OpenAI's own
        return Usage(prompt, completion, tokens(other) if other else 0)
    read, written = read or _NONE, written or _NONE
    reasoning = tokens(written.reasoning_tokens)
    if reasoning and reported.total_tokens == prompt + completion + reasoning:
        completion += reasoning
    return Usage(
        prompt=prompt,
        completion=completion,
        cached=tokens(read.cached_tokens or other),
        reasoning=reasoning,
        cache_write=tokens(read.cache_write_tokens),
        audio_prompt=tokens(read.audio_tokens),
        audio_completion=tokens(written.audio_tokens),
    )


def timed(timings: Timings | None) -> Usage | None:
    """The same from what a server has measured."""
    if timings is None:
        return None
    cached = tokens(timings.cache_n)
    usage = Usage(prompt=tokens(timings.prompt_n) + cached, completion=tokens(timings.predicted_n), cached=cached)
    return usage if usage.total else None
