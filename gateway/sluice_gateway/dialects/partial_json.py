"""Telling when JSON that comes in pieces is a whole."""

import re

_TOKEN = re.compile(r'\\.?|["{}\[\]]', re.DOTALL)


class PartialObject:
    """One JSON object that comes in pieces. All pieces are looked at once, and only when somebody asks."""

    __slots__ = ("_begun", "_depth", "_in_string", "_pieces")

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._depth = 0
        self._begun = False
        self._in_string = False

    def feed(self, piece: str) -> None:
        """Another piece."""
        self._pieces.append(piece)

    def complete(self) -> bool:
        """Whether every bracket is closed, and there was one."""
        text = "".join(self._pieces)
        self._pieces = []
        for token in _TOKEN.finditer(text):
            sign = token.group()
            if sign == "\\":
                self._pieces = [sign]  # what it escapes is yet to come
            elif sign == '"':
                self._in_string = not self._in_string
            elif not self._in_string:
                self._begun = True
                self._depth += 1 if sign in "{[" else -1
        return self._begun and self._depth == 0
