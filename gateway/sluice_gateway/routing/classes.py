"""What kind of request it is, for the strategy smart: read off its fields and words, by rules that always say the same.

The rules are tried in the order of ``CLASSES``, and the first that fits decides. Words are looked for in what the user
said last, and only in its first thousands of characters: a request is read in microseconds, and by nobody's model.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from sluice_gateway.calls import Call, Shape
from sluice_gateway.routing.needs import Needs

LONG = 8000
"""Tokens of a prompt from which on its price, and the room for it, matter most."""
SHORT = 100
"""Tokens of a prompt up to which a question that is nothing else is a simple one."""
READ = 1000
"""Characters at the begin of what the user said last that are looked at, and as many at its end."""


class Class(NamedTuple):
    """A kind of request. ``cost``, ``latency`` and ``capability`` are times the route's scoring weights; targets rated
    below ``floor`` come after all others; ``asked``: capabilities that are weighed beside those that it needs.
    """

    name: str
    cost: float = 1.0
    latency: float = 1.0
    capability: float = 1.0
    floor: int = 0
    asked: tuple[str, ...] = ()


EMBEDDING = Class("embedding", cost=2.0, latency=1.0, capability=0.5)
REASONING = Class("reasoning", cost=0.5, latency=0.25, capability=3.0, floor=70, asked=("reasoning",))
CODE = Class("code", cost=0.5, latency=0.5, capability=2.0, floor=60)
TOOLS = Class("tools", cost=1.0, latency=1.0, capability=1.5, floor=50)
VISION = Class("vision", cost=1.0, latency=1.0, capability=1.5, floor=50)
LENGTHY = Class("long", cost=2.0, latency=0.5, capability=1.5, floor=40)
SIMPLE = Class("simple", cost=2.0, latency=1.5, capability=0.25)
GENERAL = Class("general", floor=40)

FILE = Path(__file__).with_name("words.json")
"""The words of each language that tell kinds of requests apart."""

CLASSES = (EMBEDDING, REASONING, CODE, TOOLS, VISION, LENGTHY, SIMPLE, GENERAL)

_EFFORTS = ("medium", "high", "xhigh", "max")  # that ask for more than a little


class Told(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What tells a kind of request in one language, in lower case: words that stand alone in a text, and phrases that
    are found within it, which is also how languages without spaces are read.

    Words that are common in talk of other things are of no use: "function" is left out, "def" is not.
    """

    words: list[str]
    phrases: list[str]


class _Words:
    def __init__(self, languages: Mapping[str, Told]) -> None:
        told = languages.values()
        self._words = frozenset(word for one in told for word in one.words)
        self._phrases = tuple(dict.fromkeys(phrase for one in told for phrase in one.phrases))

    def find(self, text: str) -> str:
        """The first of the phrases, else of the words by the alphabet, that a text in lower case has; "" for none."""
        for phrase in self._phrases:
            if phrase in text:
                return phrase
        return min(self._words.intersection(_WORD.findall(text)), default="")


def read_words() -> dict[str, dict[str, Told]]:
    """The shipped words, by kind and language."""
    return msgspec.json.decode(FILE.read_bytes(), type=dict[str, dict[str, Told]])


_WORD = re.compile(r"\w+")
_REASONING, _CODE = (_Words(read_words()[kind]) for kind in ("reasoning", "code"))


def classify(call: Call, needs: Needs) -> tuple[Class, str]:
    """The class of a request, and why."""
    if needs.embeddings:
        return EMBEDDING, "it asks for embeddings"
    if effort := _effort(call):
        return REASONING, f"it asks for reasoning by {effort}"
    said = _said_last(call)
    if word := _REASONING.find(said):
        return REASONING, f"the user says {word!r}"
    if word := _CODE.find(said):
        return CODE, f"the user says {word!r}"
    return _by_size(needs)


def _by_size(needs: Needs) -> tuple[Class, str]:
    tokens = needs.prompt_tokens
    if needs.tools:
        return TOOLS, "it offers tools"
    if needs.vision:
        return VISION, "it shows pictures"
    if tokens >= LONG:
        return LENGTHY, f"about {tokens} tokens, {LONG} or more"
    if tokens <= SHORT:
        return SIMPLE, f"about {tokens} tokens, {SHORT} at most, and nothing else to it"
    return GENERAL, f"about {tokens} tokens, and nothing else to it"


def _effort(call: Call) -> str:
    """The field that asks for reasoning, and its value; "" when none does. A model that may think as it likes was not
    asked to.
    """
    document = call.document
    for path in _EFFORT_FIELDS.get(call.shape, ()):
        value: Any = document
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        if value in _EFFORTS or value == "enabled":
            return f"{path} = {value}"
    return ""


_EFFORT_FIELDS = {
    Shape.CHAT: ("reasoning_effort",),
    Shape.RESPONSES: ("reasoning.effort",),
    Shape.MESSAGES: ("thinking.type", "output_config.effort"),
}


def _said_last(call: Call) -> str:
    """The begin and the end of the latest words of the user, in lower case."""
    document = call.document
    turns = document.get("messages") or document.get("input") or document.get("prompt")
    text = turns if isinstance(turns, str) else ""
    if isinstance(turns, list):
        text = next(filter(None, map(_words_of, reversed(turns))), "")
    if len(text) > 2 * READ:
        text = f"{text[:READ]} {text[-READ:]}"
    return text.lower()


def _words_of(turn: object) -> str:
    """What the user says in a message; "" when it is somebody else's, or has no words."""
    if not isinstance(turn, dict) or turn.get("role") != "user":
        return ""
    content = turn.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    return "\n".join(text for part in parts if isinstance(part, dict) and isinstance(text := part.get("text"), str))
