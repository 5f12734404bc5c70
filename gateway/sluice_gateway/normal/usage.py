"""Tokens of one request, counted the same way for every provider."""

from typing import NamedTuple

MOST_TOKENS = 10**9
"""Of a prompt or an answer: none comes near, and who says more must not use a limit up for years."""


class Usage(NamedTuple):
    """Tokens that a provider reported for one answer, or that the gateway estimated.

    ``prompt`` includes ``cached`` (read from the provider's cache), ``cache_write`` (written to it; ``cache_write_1h``
    of them for an hour) and ``audio_prompt``; ``completion`` includes ``reasoning`` and ``audio_completion``.
    """

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    reasoning: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    audio_prompt: int = 0
    audio_completion: int = 0
    estimated: bool = False

    @property
    def total(self) -> int:
        """What OpenAI calls total_tokens."""
        return self.prompt + self.completion

    def merged(self, later: "Usage") -> "Usage":
        """This and a later report of the same stream: reports are cumulative, and each may leave out what another has
        said.
        """
        counts = Usage._make(max(one, other) for one, other in zip(self, later, strict=True))
        return counts._replace(estimated=self.estimated and later.estimated)


def tokens(reported: object) -> int:
    """A count as a provider wrote it: negative, huge, fractional or absent ones become what they can mean."""
    if type(reported) is int and 0 <= reported <= MOST_TOKENS:
        return reported
    if isinstance(reported, bool) or not isinstance(reported, int | float) or reported != reported:
        return 0
    return int(min(max(reported, 0), MOST_TOKENS))
