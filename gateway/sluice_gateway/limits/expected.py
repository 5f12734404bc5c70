"""How many tokens a model's answers have lately had: what a request reserves that does not say how many it wants."""

from bisect import bisect_left, insort
from collections import deque

PRIOR = 512
"""Tokens of an answer before any was seen: a page of text, by our own choice."""

_PRIORS = 4  # answers that it stands for: it is the percentile until 36 smaller ones were seen, or some larger ones
_LATEST = 128  # answers that count
_MOST_KEYS = 4096  # callers choose the models of targets that name none


class _Answers:
    __slots__ = ("latest", "sizes")

    def __init__(self) -> None:
        self.latest = deque([PRIOR] * _PRIORS)
        self.sizes = [PRIOR] * _PRIORS


class ExpectedOutput:
    """The 90th percentile of the latest 128 answers, by any key: of a target's model, a route."""

    def __init__(self) -> None:
        self._answers: dict[str, _Answers] = {}

    def note(self, key: str, tokens: int) -> None:
        """An answer ended by itself and had so many tokens; one that was cut short says nothing."""
        answers = self._answers.get(key)
        if answers is None:
            if len(self._answers) >= _MOST_KEYS:
                del self._answers[next(iter(self._answers))]
            answers = self._answers[key] = _Answers()
        if len(answers.latest) == _LATEST:
            del answers.sizes[bisect_left(answers.sizes, answers.latest.popleft())]
        answers.latest.append(tokens)
        insort(answers.sizes, tokens)

    def of(self, key: str) -> int:
        """What nine answers of ten did not exceed (nearest rank), or ``PRIOR``."""
        answers = self._answers.get(key)
        if answers is None:
            return PRIOR
        sizes = answers.sizes
        return sizes[-(-len(sizes) * 9 // 10) - 1]
