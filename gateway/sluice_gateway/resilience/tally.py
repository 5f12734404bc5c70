"""Counts of what has happened lately, in a time and a memory that do not grow with their number."""

import math
from collections import deque

SLICES = 60
"""Of a window. What is counted is forgotten by slices: after the window's length, or up to a slice earlier."""


class Tally:
    """Counts events of the last ``seconds``, and which of them were marked."""

    __slots__ = ("_all", "_end", "_last", "_marked", "_slices", "_width", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._width = seconds / SLICES
        self._slices: deque[list[int]] = deque()  # number of the slice, events, marked ones
        self._all = self._marked = 0
        self._last = [0, 0, 0]
        self._end = -math.inf  # of the last slice

    def count(self, now: float, *, marked: bool = False) -> None:
        """One event has happened."""
        if now >= self._end:
            self._begin(now)
        last = self._last
        last[1] += 1
        self._all += 1
        if marked:
            last[2] += 1
            self._marked += 1

    def all(self, now: float) -> int:
        """How many events there were, the marked ones included."""
        self._forget(now)
        return self._all

    def marked(self, now: float) -> int:
        """How many of them were marked."""
        self._forget(now)
        return self._marked

    def clear(self) -> None:
        """Forget everything."""
        self._slices.clear()
        self._all = self._marked = 0
        self._end = -math.inf

    def _begin(self, now: float) -> None:
        self._forget(now)
        place = int(now / self._width)
        self._last = [place, 0, 0]
        self._slices.append(self._last)
        self._end = (place + 1) * self._width

    def _forget(self, now: float) -> None:
        oldest = int(now / self._width) - SLICES + 1
        while self._slices and self._slices[0][0] < oldest:
            _, events, marked = self._slices.popleft()
            self._all -= events
            self._marked -= marked
