"""Counts of what has happened lately, in a time and a memory that do not grow with their number."""

from collections import deque

SLICES = 60
"""Of a window. What is counted is forgotten by slices: after the window's length, or up to a slice earlier."""


class Tally:
    """Counts events of the last ``seconds``, and which of them were marked."""

    __slots__ = ("_all", "_marked", "_slices", "_width", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._width = seconds / SLICES
        self._slices: deque[list[int]] = deque()  # number of the slice, events, marked ones
        self._all = self._marked = 0

    def count(self, now: float, *, marked: bool = False) -> None:
        """One event has happened."""
        place = int(now / self._width)
        if not self._slices or self._slices[-1][0] != place:
            self._forget(now)
            self._slices.append([place, 0, 0])
        last = self._slices[-1]
        last[1] += 1
        last[2] += marked
        self._all += 1
        self._marked += marked

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

    def _forget(self, now: float) -> None:
        oldest = int(now / self._width) - SLICES + 1
        while self._slices and self._slices[0][0] < oldest:
            _, events, marked = self._slices.popleft()
            self._all -= events
            self._marked -= marked
