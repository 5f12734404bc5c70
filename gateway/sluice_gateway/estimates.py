"""Tokens of answers whose provider reports none, or whose caller left before it did.

Prompt: bytes of the request / 4. Streams: one token a delta. Whole answers: bytes of their words / 4. Each is times a
ratio of its own, by target, that follows what providers do report: it starts at 1, and each report moves it by a
tenth of the way. Tokenizers are left out: their packages fetch data at run time, and no provider uses them all.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import Any

from sluice_gateway.calls import Call
from sluice_gateway.normal.usage import Usage
from sluice_gateway.providers.faults import parsed

BYTES_A_TOKEN = 4.0  # of English and of code, by OpenAI's help page "What are tokens and how to count them?"
_STEP = 0.1  # how far one report moves a ratio
_LEAST, _MOST = 0.1, 10.0  # bounds of a ratio: what lies beyond is no text
_EMBEDDED = b";base64,"  # pictures and files, whose bytes are not words


@dataclass(slots=True)
class _Ratios:
    prompt: float = 1.0
    delta: float = 1.0


_UNKNOWN = _Ratios()


class Estimates:
    """What is known of the targets, by their names in metrics, which are few."""

    def __init__(self) -> None:
        self._ratios: dict[str, _Ratios] = {}

    def of_stream(
        self, target: str, call: Call, events: int, reported: Usage | None, *, ended: bool = True
    ) -> Usage | None:
        """Usage of a stream with so many events: as reported, which is learnt from, else estimated; None for none.

        What is reported of a stream that has not ``ended`` may be that of its beginning (Anthropic's first event tells
        of one token), so that it says at least how much has come.
        """
        if reported is None:
            if not events:
                return None
            ratios = self._ratios.get(target, _Ratios())
            return Usage(self._prompt(call, ratios), ceil(events * ratios.delta), estimated=True)
        ratios = self._learn_prompt(target, call, reported)
        if not ended:
            come = ceil(events * ratios.delta)
            return reported._replace(completion=come, estimated=True) if come > reported.completion else reported
        if events and reported.completion:
            ratios.delta = _moved(ratios.delta, reported.completion / events)
        return reported

    def of_whole(self, target: str, call: Call, body: bytes, reported: Usage | None) -> Usage:
        """Usage of a whole answer in the caller's shape."""
        if reported is not None:
            self._learn_prompt(target, call, reported)
            return reported
        ratios = self._ratios.get(target, _Ratios())
        said = sum(len(text.encode(errors="replace")) for text in _words(parsed(body)))
        return Usage(self._prompt(call, ratios), ceil(said / BYTES_A_TOKEN * ratios.prompt), estimated=True)

    def prompt(self, target: str, call: Call) -> int:
        """Tokens that a request has for a target to read."""
        return self._prompt(call, self._ratios.get(target, _UNKNOWN))

    def of_prompt(self, target: str, call: Call) -> Usage:
        """Usage of an answer of which nothing came: the caller has left while the provider was at work."""
        return Usage(self.prompt(target, call), estimated=True)

    def _learn_prompt(self, target: str, call: Call, reported: Usage) -> _Ratios:
        ratios = self._ratios.get(target)
        if ratios is None:
            ratios = self._ratios[target] = _Ratios()
        if reported.prompt and _EMBEDDED not in call.body:
            ratios.prompt = _moved(ratios.prompt, reported.prompt * BYTES_A_TOKEN / len(call.body))
        return ratios

    def _prompt(self, call: Call, ratios: _Ratios) -> int:
        size = len(call.body)
        if _EMBEDDED in call.body:
            size = sum(len(text.encode(errors="replace")) for text in _words(call.document))
        return ceil(size / BYTES_A_TOKEN * ratios.prompt)


def _moved(ratio: float, seen: float) -> float:
    return min(max(ratio + (seen - ratio) * _STEP, _LEAST), _MOST)


# Members that hold words, in all shapes of requests and answers.
_WORDS = frozenset(
    {"content", "text", "arguments", "input", "instructions", "system", "prompt", "reasoning_content", "thinking"}
)
_CONTAINERS = frozenset(
    {"choices", "message", "messages", "tool_calls", "function", "output", "content", "input", "system", "tool_result"}
)


def _words(value: Any) -> Iterator[str]:
    """The words of a request or an answer."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
            yield from (item for item in value if isinstance(item, str))
        elif isinstance(value, dict):
            yield from (text for name, text in value.items() if name in _WORDS and isinstance(text, str))
            waiting.extend(below for name, below in value.items() if name in _CONTAINERS and not isinstance(below, str))
