"""How a request goes to one provider and its answer comes back: relayed where the provider speaks the caller's shape,
else translated through the normal form.
"""

import time
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Protocol

import msgspec

from sluice_gateway import splice
from sluice_gateway.calls import Call, Shape
from sluice_gateway.dialects import registry
from sluice_gateway.dialects.dialect import Asked, Dialect, EmbeddingDialect
from sluice_gateway.errors import CallerError, UnsupportedParameter
from sluice_gateway.normal.answers import Delta, of_first_call, with_first_call
from sluice_gateway.normal.parts import Source
from sluice_gateway.normal.requests import ChatRequest, urls_of, with_images
from sluice_gateway.normal.usage import Usage
from sluice_gateway.passages import Passage, RelayedPassage, TranslatedPassage
from sluice_gateway.providers.adapter import EmbeddingAdapter, Facts, Native
from sluice_gateway.providers.openai.history import own_history
from sluice_gateway.providers.parameters import asks_for_nothing, fit
from sluice_gateway.providers.provider import Provider
from sluice_gateway.upstream import Endpoint

_WITH_USAGE = b'{"include_usage":true}'
_ABSENT = object()
_COUNTS_STREAMS = (Shape.CHAT, Shape.COMPLETIONS)


class Whole(NamedTuple):
    """A whole answer in the caller's shape, and what was counted."""

    body: bytes
    usage: Usage | None


class Way(Protocol):
    """One request, ready to be sent to one provider."""

    endpoint: Endpoint
    body: bytes

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """What goes beside those of every request to the provider."""
        ...

    def whole(self, body: bytes) -> Whole:
        """Read the provider's whole answer. Raises BadEvent and ProviderFault."""
        ...

    def passage(self) -> Passage:
        """Begin to read its stream."""
        ...


def images_to_fetch(provider: Provider, call: Call) -> list[str]:
    """The URLs of pictures that the provider would not fetch, and the policy lets the gateway. Raises CallerError."""
    dialect = registry.CHAT.get(call.shape)
    if provider.wire.image_urls or not provider.image_fetch.enabled or call.shape in provider.native or not dialect:
        return []
    return urls_of(dialect.read(call.document))


def way_to(provider: Provider, call: Call, model: str, request_id: str, images: Mapping[str, Source]) -> Way | Whole:
    """Make a request ready for a provider's model, or answer it where nobody needs to be asked. Raises CallerError for
    what the provider can't do.

    ``images`` are the bytes of pictures that were fetched, by their URLs.
    """
    native = provider.native.get(call.shape)
    try:
        if native is not None:
            return _Relay(provider, native, call, model)
        if local := registry.LOCAL.get(call.shape):
            return Whole(local(call.document), None)
        return _translated(provider, call, model, request_id, images)
    except UnicodeEncodeError:  # RFC 8259, 8.2: JSON may hold half a character, UTF-8 may not
        raise CallerError("the body holds half a character (a lone surrogate), which cannot be translated") from None


def _translated(provider: Provider, call: Call, model: str, request_id: str, images: Mapping[str, Source]) -> Way:
    facts = provider.facts(model)
    asked = Asked(document=call.document, model=model, id=request_id, created=int(time.time()))
    if dialect := registry.CHAT.get(call.shape):
        return _Translation(provider, dialect, asked, facts, images)
    embedding, adapter = registry.EMBEDDINGS.get(call.shape), provider.wire.embeddings
    lacks = call.shape in provider.wire.native  # the shape has such an endpoint, and this vendor has not
    if embedding and adapter and not lacks:
        return _Embedding(provider, embedding, adapter, asked, facts)
    raise UnsupportedParameter(f"{provider.vendor} has no {call.shape}", param="model")


class _Relay:
    """The caller's own bytes, but for the model's name and what the vendor is known to do otherwise."""

    __slots__ = ("_call", "_hides_usage", "_native", "body", "endpoint", "headers")

    def __init__(self, provider: Provider, native: Native, call: Call, model: str) -> None:
        self._call = call
        self._native = native
        self.headers = tuple(header for header in call.headers if header[0] in native.passes) if call.headers else ()
        self.endpoint = provider.endpoint(native.path, model)
        facts = provider.facts(model)
        body = call.body_for(model)
        if relayed := registry.RELAYED.get(call.shape):
            body = relayed(body, call.document)
        quirks = facts.quirks
        if quirks.unsupported or quirks.renamed or quirks.in_answers:
            body = _within_quirks(body, call, facts)
        self._hides_usage = False
        if call.stream and quirks.usage_in_stream and call.shape in _COUNTS_STREAMS:
            options = call.document.get("stream_options", _ABSENT)
            if not isinstance(options, dict) or options.get("include_usage") is not True:
                self._hides_usage = True
                body = _asking_for_usage(body, options)
        self.body = body

    def whole(self, body: bytes) -> Whole:
        return Whole(body, self._native.observer.response(body))

    def passage(self) -> Passage:
        call = self._call
        wanted = call.document.get("n")
        dialect = registry.CHAT.get(call.shape)
        return RelayedPassage(
            self._native.observer.event,
            registry.errors_of(call.shape),
            dialect.end_mark if dialect else b"",
            choices=max(1, wanted) if type(wanted) is int else 1,
            hide_usage=self._hides_usage,
        )


def _within_quirks(body: bytes, call: Call, facts: Facts) -> bytes:
    """Without what the vendor does not take, or a refusal that names it."""
    quirks = facts.quirks
    given = [name for name in call.document if name in quirks.unsupported]
    asked = [name for name in given if not asks_for_nothing(name, call.document[name])]
    if asked and facts.policy == "strict":
        raise UnsupportedParameter(f"{facts.vendor} has no {asked[0]}", param=asked[0])
    changes: dict[str, bytes | None] = dict.fromkeys(given)
    renamed = {}
    if call.shape is Shape.CHAT:  # the older endpoint knows but one name, and no answers
        renamed = {old: new for old, new in quirks.renamed.items() if old in call.document and new not in call.document}
        if (messages := own_history(body, call.document.get("messages"), quirks.in_answers)) is not None:
            changes["messages"] = messages
    return splice.edited(body, changes, renamed) if changes or renamed else body


def _asking_for_usage(body: bytes, options: object) -> bytes:
    """With stream_options.include_usage: an answer whose cost nobody knows is of no use to those who pay."""
    if options is _ABSENT:
        start = body.index(b"{") + 1
        return b'%b"stream_options":%b,%b' % (body[:start], _WITH_USAGE, body[start:])
    wanted = {**options, "include_usage": True} if isinstance(options, dict) else {"include_usage": True}
    return splice.edited(body, {"stream_options": msgspec.json.encode(wanted)})


class _Translation:
    """A conversation in the normal form."""

    __slots__ = ("_asked", "_cuts_calls", "_dialect", "_provider", "_request", "body", "endpoint")
    headers: ClassVar[tuple[tuple[str, str], ...]] = ()

    def __init__(
        self, provider: Provider, dialect: Dialect, asked: Asked, facts: Facts, images: Mapping[str, Source]
    ) -> None:
        self._asked = asked
        self._dialect = dialect
        self._provider = provider
        wire = provider.wire
        request = dialect.read(asked.document)
        if images:
            request = with_images(request, images)
        self._cuts_calls = request.parallel_tool_calls is False and wire.parameters.cuts_calls
        self._request: ChatRequest = fit(request, wire.parameters, facts.policy, facts.vendor)
        path = wire.chat_stream if self._request.stream and wire.chat_stream else wire.chat
        self.endpoint = provider.endpoint(path, facts.model)
        self.body = wire.adapter.build_request(self._request, facts)

    def whole(self, body: bytes) -> Whole:
        answer = self._provider.wire.adapter.parse_response(body)
        if self._cuts_calls:
            answer = with_first_call(answer)
        return Whole(self._dialect.answer(answer, self._asked), answer.usage)

    def passage(self) -> Passage:
        return TranslatedPassage(
            self._first_call_of_event if self._cuts_calls else self._provider.wire.adapter.parse_event,
            self._dialect.stream(self._asked),
            self._dialect,
            choices=self._request.n or 1,
        )

    def _first_call_of_event(self, data: bytes, memory: dict[str, Any]) -> list[Delta]:
        return of_first_call(self._provider.wire.adapter.parse_event(data, memory))


class _Embedding:
    """Embeddings in the normal form."""

    __slots__ = ("_adapter", "_asked", "_dialect", "body", "endpoint")
    headers: ClassVar[tuple[tuple[str, str], ...]] = ()

    def __init__(
        self, provider: Provider, dialect: EmbeddingDialect, adapter: EmbeddingAdapter, asked: Asked, facts: Facts
    ) -> None:
        self._adapter = adapter
        self._asked = asked
        self._dialect = dialect
        self.endpoint = provider.endpoint(provider.wire.embeddings_path, facts.model)
        self.body = adapter.build_request(dialect.read(asked.document), facts)

    def whole(self, body: bytes) -> Whole:
        answer = self._adapter.parse_response(body)
        return Whole(self._dialect.answer(answer, self._asked), answer.usage)

    def passage(self) -> Passage:
        raise UnsupportedParameter("embeddings do not stream", param="stream")
