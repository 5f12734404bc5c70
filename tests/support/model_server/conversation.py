"""What the model is asked and what it answers, in no provider's words."""

import itertools
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

Schema = dict[str, Any]


@dataclass(frozen=True)
class Media:
    """An image, a document or a sound: ``size`` in bytes, None when only its address is known."""

    type: str
    size: int | None = None


@dataclass(frozen=True)
class Call:
    """One call of a tool."""

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Turn:
    """One message. ``results`` are what tools have answered, ``calls`` what the model wished to call."""

    role: Literal["system", "user", "assistant", "tool"]
    text: str = ""
    media: tuple[Media, ...] = ()
    calls: tuple[Call, ...] = ()
    results: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tool:
    """A function that may be called."""

    name: str
    description: str = ""
    schema: Schema = field(default_factory=dict)


@dataclass(frozen=True)
class Conversation:
    """All that an answer depends on.

    ``choice`` is auto, none, required or the name of a tool behind ``=``. ``json`` asks for any JSON object, ``schema``
    for one that follows it. ``thinks``: whether reasoning is wished for. ``max_tokens`` bounds reasoning and answer.
    """

    turns: tuple[Turn, ...]
    tools: tuple[Tool, ...] = ()
    choice: str = "auto"
    parallel: bool = True
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    json: bool = False
    schema: Schema | None = None
    thinks: bool = False

    @property
    def system(self) -> str:
        """All instructions, a line each."""
        return "\n".join(turn.text for turn in self.turns if turn.role == "system")

    @property
    def asked(self) -> str:
        """The user's last words: all of its messages since the model's last answer in words."""
        words: list[str] = []
        for turn in reversed(self.turns):
            if turn.role == "user":
                words.insert(0, turn.text)
            elif turn.role == "assistant" and not turn.calls and words:
                break
        return "\n".join(words)

    @property
    def results(self) -> list[str]:
        """What tools have answered to the model's last calls, in order."""
        latest = itertools.takewhile(lambda turn: turn.role != "assistant", reversed(self.turns))
        return [result for turn in reversed(list(latest)) for result in turn.results]


class Finish(StrEnum):
    """Why an answer ends."""

    DONE = "done"
    STOPPED = "stopped"  # at a stop sequence
    CUT = "cut"  # at the most tokens
    CALLS = "calls"
    REFUSED = "refused"


@dataclass(frozen=True)
class Answer:
    """What the model says."""

    text: str = ""
    thought: str = ""
    calls: tuple[Call, ...] = ()
    finish: Finish = Finish.DONE
    stop_sequence: str | None = None
    prompt_tokens: int = 0
    cached_tokens: int = 0  # of the prompt, from an earlier request
    thought_tokens: int = 0
    answer_tokens: int = 0

    @property
    def output_tokens(self) -> int:
        """Reasoning and answer."""
        return self.thought_tokens + self.answer_tokens


_TOKEN = re.compile(r"\s*\S+")


def tokens(text: str) -> list[str]:
    """A token is a word with the space before it; trailing space belongs to the last."""
    found = _TOKEN.findall(text)
    rest = text[sum(map(len, found)) :]
    return [*found[:-1], found[-1] + rest] if found else [text] * bool(text)
