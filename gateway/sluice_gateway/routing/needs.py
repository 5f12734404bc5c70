"""What a request needs of the model that answers it, read from its parsed body in a few microseconds.

Fields are looked up where each shape has them; messages are looked through for pictures, sound and files. What can't be
recognised is not needed: then the provider itself decides.
"""

from collections.abc import Mapping
from math import ceil
from typing import Any, NamedTuple

from sluice_gateway.calls import Call, Shape
from sluice_gateway.limits.expected import PRIOR
from sluice_gateway.normal.estimate import A_PAGE, A_PICTURE, BYTES_A_SOUND_TOKEN, BYTES_A_TOKEN, PAGE_BYTES
from sluice_gateway.normal.usage import MOST_TOKENS
from sluice_gateway.providers.provider import Traits


class Needs(NamedTuple):
    """What a request needs. Tokens are estimates.

    ``json``: an answer in JSON, by schema or without. ``max_output``: tokens of all its answers together, as many as
    the caller allows, else as expected; ``likely_output``: as many as expected, if the caller allows them. ``window``:
    tokens of the prompt and of one answer, which a context window must hold.
    """

    tools: bool = False
    vision: bool = False
    json: bool = False
    audio: bool = False
    embeddings: bool = False
    stream: bool = False
    prompt_tokens: int = 0
    max_output: int = 0
    likely_output: int = 0
    window: int = 0

    def capabilities(self) -> tuple[str, ...]:
        """The capabilities that it asks for, by their names in ProviderPolicy.spec.models[].capabilities."""
        if not (self[0] or self[1] or self[2] or self[3] or self[4]):
            return ()
        return tuple(name for name, needed in zip(self._fields[:5], self[:5], strict=True) if needed)


def needs_of(call: Call, ratio: float = 1.0, expected_output: int = PRIOR) -> Needs:
    """Read a call. ``ratio``: what the target has reported of earlier prompts, over what was estimated;
    ``expected_output``: tokens of an answer when the caller sets no bound.
    """
    document, shape = call.document, call.shape
    media = _NO_MEDIA
    if _PARTED in call.body and (turns := document.get(_TURNS.get(shape, ""))).__class__ is list:
        media = _Media()
        media.look_through(turns)
    prompt = ceil(((len(call.body) - media.bytes) / BYTES_A_TOKEN + media.tokens) * ratio)
    if shape in _WITHOUT_OUTPUT:
        most = likely = choices = 0
    else:
        most = _bound(document, shape) or expected_output
        likely = min(expected_output, most)
        choices = _choices(document, shape)
    plain = _TELLING.isdisjoint(document)
    return Needs(
        not plain and bool(document.get("tools") or document.get("functions")),
        media.vision,
        not plain and _asks_for_json(document, shape),
        media.audio or (not plain and _speaks(document)),
        shape is Shape.EMBEDDINGS,
        call.stream,
        prompt,
        min(most * choices, MOST_TOKENS),
        min(likely * choices, MOST_TOKENS),
        prompt + most,
    )


def lacking(needed: tuple[str, ...], embeddings: bool, traits: Traits) -> str:
    """The first capability that is needed and that a model is known to lack; "" when it may have all.

    A list that a policy gives is whole. The catalogue's is not, but tells models that embed from those that chat.
    """
    known = traits.capabilities
    if not known:
        return ""
    if traits.complete:
        missing = next((name for name in needed if name not in known), "")
        if missing:
            return missing
    if embeddings:
        return "" if "embeddings" in known else "embeddings"
    return "chat" if "embeddings" in known and "chat" not in known else ""


def field_of(capability: str, shape: Shape) -> str | None:
    """Where a request of a shape asks for a capability, for errors that name the field."""
    if capability == "tools":
        return "tools"
    if capability == "json":
        return _FORMATS.get(shape)
    return _TURNS.get(shape, "model") if capability in ("vision", "audio") else "model"


_TELLING = frozenset({"tools", "functions", "modalities", "response_format", "output_config", "text"})
_PARTED = b'"type"'  # each part of a message that is not a mere text names its kind

_TURNS: Mapping[str, str] = {
    Shape.CHAT: "messages",
    Shape.MESSAGES: "messages",
    Shape.COUNT_TOKENS: "messages",
    Shape.RESPONSES: "input",
}
_BOUNDS: Mapping[str, tuple[str, ...]] = {
    Shape.CHAT: ("max_completion_tokens", "max_tokens"),
    Shape.COMPLETIONS: ("max_tokens",),
    Shape.MESSAGES: ("max_tokens",),
    Shape.RESPONSES: ("max_output_tokens",),
}
_FORMATS: Mapping[str, str] = {
    Shape.CHAT: "response_format",
    Shape.MESSAGES: "output_config.format",
    Shape.RESPONSES: "text.format",
}
_WITHOUT_OUTPUT = (Shape.EMBEDDINGS, Shape.COUNT_TOKENS)
_PICTURES = ("image_url", "image", "input_image")
_SOUNDS = ("input_audio", "audio")
_FILES = ("file", "input_file", "document")


class _Media:
    """What messages hold beside words. ``bytes`` of the body are no words, but stand for ``tokens``."""

    __slots__ = ("audio", "bytes", "tokens", "vision")

    def __init__(self) -> None:
        self.vision = self.audio = False
        self.bytes = 0
        self.tokens = 0.0

    def look_through(self, turns: list[Any]) -> None:
        for turn in turns:
            if turn.__class__ is dict:
                content = turn.get("content") or turn.get("output")
                if content.__class__ is list:
                    self._parts(content)

    def _parts(self, parts: list[Any]) -> None:
        for part in parts:
            if part.__class__ is not dict:
                continue
            kind = part.get("type")
            if kind in _PICTURES:
                self.vision = True
                self._embedded(part)
                self.tokens += A_PICTURE
            elif kind in _SOUNDS:
                self.audio = True
                self.tokens += self._embedded(part) * 3 / 4 / BYTES_A_SOUND_TOKEN
            elif kind in _FILES:
                self.tokens += A_PAGE * max(1, ceil(self._embedded(part) * 3 / 4 / PAGE_BYTES))
            elif (within := part.get("content")).__class__ is list:  # a tool's result
                self._parts(within)

    def _embedded(self, part: dict[str, Any]) -> int:
        size = _size(part)
        self.bytes += size
        return size


_NO_MEDIA = _Media()


def _size(part: dict[str, Any]) -> int:
    """Bytes of a part that are in base64: the data of pictures, sound and files, in any shape."""
    size = 0
    for value in part.values():
        inner = value if value.__class__ is dict else part
        for name in ("data", "file_data", "url", "image_url"):
            text = inner.get(name)
            if text.__class__ is str and (name in ("data", "file_data") or text.startswith("data:")):
                size = max(size, len(text))
    return size


def _bound(document: dict[str, Any], shape: Shape) -> int:
    """Tokens of one answer at most, as the caller says; 0 when it does not."""
    for name in _BOUNDS[shape]:
        if name in document and (bound := _count(document[name])):
            return bound
    return 0


def _choices(document: dict[str, Any], shape: Shape) -> int:
    """How many answers are made: for each prompt of the older endpoint ``best_of``, of which ``n`` are given."""
    wanted = max(1, _count(document["n"])) if "n" in document else 1
    if shape is not Shape.COMPLETIONS:
        return wanted
    prompt = document.get("prompt")
    made = max(wanted, _count(document.get("best_of")))
    if isinstance(prompt, list) and prompt and type(prompt[0]) is not int:  # else it is one, of tokens
        made *= len(prompt)
    return made


def _count(value: object) -> int:
    """A number that the caller gives, as far as anybody can count; 0 for what is none."""
    return min(value, MOST_TOKENS) if type(value) is int and value > 0 else 0


def _asks_for_json(document: dict[str, Any], shape: Shape) -> bool:
    path = _FORMATS.get(shape)
    if path is None:
        return False
    value: Any = document
    for name in path.split("."):
        value = value.get(name) if value.__class__ is dict else None
    return value.__class__ is dict and value.get("type") in ("json_schema", "json_object")


def _speaks(document: dict[str, Any]) -> bool:
    """Whether the answer shall be spoken."""
    wanted = document.get("modalities")
    return wanted.__class__ is list and "audio" in wanted
