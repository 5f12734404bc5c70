"""A caller's request to a model, read once: the body as it came, and the few facts that routing needs.

The body is relayed byte for byte with only the value of ``model`` replaced, so that unknown fields, the order of keys
and the digits of numbers survive.
"""

import itertools
import json
import math
import re
from enum import StrEnum
from typing import Any, NoReturn

import msgspec

from sluice_gateway.errors import CallerError, InvalidJSON

MAX_DEPTH = 256  # of nesting; the deepest JSON schemas of tools stay far below, and what is deeper is an attack
MAX_MODEL_LENGTH = 256  # the bound of ModelRoute.spec.models; a longer name can't be served, and is not worth logging

# Providers written in Go (Ollama) read keys in any case, and of several the last: what we routed by would not count.
_OTHER_SPELLINGS = frozenset(map("".join, itertools.product(*((c, c.upper()) for c in "model")))) - {"model"}

_decode = msgspec.json.Decoder().decode
_HALF = re.compile("[\ud800-\udfff]")
_HALF_ESCAPED = re.compile(rb"\\u[dD][89a-fA-F]")

# One token of valid JSON that matters for finding a top-level key: a whole string, or a bracket.
# Possessive: no backtracking, so that time and memory stay linear in the longest of prompts.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_TOKEN = re.compile(_STRING.pattern + rb"|[\[\]{}]", re.DOTALL)
_COLON = re.compile(rb"\s*:\s*")


class Shape(StrEnum):
    """What a caller speaks: one of the API's endpoints."""

    CHAT = "chat"
    COMPLETIONS = "completions"
    EMBEDDINGS = "embeddings"
    RESPONSES = "responses"
    MESSAGES = "messages"
    COUNT_TOKENS = "count_tokens"


_WHOLE = frozenset({Shape.EMBEDDINGS, Shape.COUNT_TOKENS})  # their answers never stream, whatever a body says


class Call(msgspec.Struct, eq=False):
    """One request body.

    ``model`` is the name that the caller asked for; ``document`` the parsed body, not to be changed. ``headers`` are
    those that say what the body means, with names in lower case.
    """

    body: bytes
    document: dict[str, Any]
    model: str
    stream: bool
    shape: Shape = Shape.CHAT
    headers: tuple[tuple[str, str], ...] = ()
    _place: tuple[int, int] | None = None

    def body_for(self, model: str) -> bytes:
        """The body with ``model`` as the name of the model, all other bytes as they came.

        Raises CallerError when the body names ``model`` twice: parsers differ in which of the two counts.
        """
        if model == self.model and self._place is None and _plain(self.body):
            return self.body
        if self._place is None:
            self._place = _find_model(self.body)
        start, end = self._place
        return b"".join((self.body[:start], msgspec.json.encode(model), self.body[end:]))


def parse(body: bytes, shape: Shape = Shape.CHAT) -> Call:
    """Read a request body of an endpoint.

    Raises InvalidJSON when it is not JSON, CallerError when it is not an object or lacks what every call needs.
    """
    document = decode(body)
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _depth(body) > MAX_DEPTH:
        raise _too_deep()
    if type(document) is not dict:
        raise CallerError("the body must be a JSON object")
    model = document.get("model")
    if type(model) is not str or not model:
        raise CallerError("model must be a string that names a model", param="model")
    if len(model) > MAX_MODEL_LENGTH:
        raise CallerError(f"model must have at most {MAX_MODEL_LENGTH} characters", param="model")
    if not model.isprintable():
        raise CallerError("model has control characters", param="model")  # no header of the reply could name it
    if not _OTHER_SPELLINGS.isdisjoint(document):
        raise CallerError("model stands more than once in the body, in different spellings", param="model")
    stream = document.get("stream")
    if stream is not None and type(stream) is not bool:
        raise CallerError("stream must be true or false", param="stream")
    return Call(body, document, model, stream is True and shape not in _WHOLE, shape)


def decode(body: bytes) -> Any:
    """Any JSON. Raises InvalidJSON.

    An escape may stand for half of a character (RFC 8259, 8.2): a text that was cut between two halves has one. The
    fast decoder refuses those.
    """
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        refusal = InvalidJSON(f"the body is not valid JSON: {error}")
    except RecursionError:
        raise _too_deep() from None
    if not _HALF_ESCAPED.search(body):
        raise refusal
    try:
        document = json.loads(body.decode(), parse_constant=_no_number, parse_float=_finite)
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        raise refusal from None
    if isinstance(document, dict) and any(map(_HALF.search, document)):
        raise refusal  # parsers differ in what they make of it: the key could become "model" for one of them
    return document


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("the number is out of range")
    return number


def _too_deep() -> InvalidJSON:
    return InvalidJSON(f"the body is nested more than {MAX_DEPTH} levels deep")


def _depth(body: bytes) -> int:
    """How deep valid JSON is nested. Interpreters differ in where their decoders give up."""
    depth = deepest = 0
    for token in _TOKEN.finditer(body):
        first = body[token.start()]
        if first in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif first in b"]}":
            depth -= 1
    return deepest


def _plain(body: bytes) -> bool:
    """Whether the key ``model`` stands exactly once, at the top level.

    The parsed document has the key. Unless it is written with an escape, which for these letters is always ``\\u00..``,
    it is one of the places where ``"model"`` stands; if there is only one such place, it is that one.
    """
    return body.count(b'"model"') == 1 and b"\\u00" not in body


def _find_model(body: bytes) -> tuple[int, int]:
    """Where the value of the top-level key ``model`` starts and ends, quotes included."""
    if _plain(body):
        return _value_span(body, body.index(b'"model"') + len(b'"model"'))
    return _scan(body)


def _value_span(body: bytes, after_key: int) -> tuple[int, int]:
    colon = _COLON.match(body, after_key)
    value = _STRING.match(body, colon.end()) if colon else None
    if value is None:
        raise CallerError("model must be given once, as a string", param="model")
    return value.span()


def _scan(body: bytes) -> tuple[int, int]:
    """The same by walking all strings and brackets: for bodies that speak of ``"model"`` elsewhere too."""
    depth = 0
    keys = []
    for token in _TOKEN.finditer(body):
        text = token.group()
        if text in (b"{", b"["):
            depth += 1
        elif text in (b"}", b"]"):
            depth -= 1
        elif depth == 1 and _COLON.match(body, token.end()) and _decode(text) == "model":
            keys.append(token.end())
    if len(keys) != 1:
        raise CallerError("model stands more than once in the body", param="model")
    return _value_span(body, keys[0])
