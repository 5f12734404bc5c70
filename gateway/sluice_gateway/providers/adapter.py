"""What a wire shape must say of itself: four pure functions between the normal form and bytes, and a few facts.

An adapter holds no state and does no I/O. What differs between vendors of one shape is data (see ``vendors``). A shape
of your own is one module with a ``Wire``, named by an entry point of the group ``sluice.wires``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, Protocol

from sluice_gateway.calls import Shape
from sluice_gateway.errors import GatewayError
from sluice_gateway.normal.answers import ChatAnswer, Delta, EmbeddingAnswer
from sluice_gateway.normal.requests import ChatRequest, EmbeddingRequest
from sluice_gateway.normal.usage import Usage
from sluice_gateway.providers.parameters import Parameters
from sluice_gateway.sse import BadEvent


class FaultKind(StrEnum):
    """Why a provider did not serve. All but CALLER are reasons to try another target."""

    CALLER = "caller"
    RATE_LIMITED = "rate_limited"
    KEY_REFUSED = "key_refused"
    NO_CREDIT = "no_credit"
    MODEL_NOT_OFFERED = "model_not_offered"
    TIMEOUT = "timeout"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A provider's refusal.

    ``message`` are its words (for a caller's mistake they are passed on), ``retry_after`` seconds.
    """

    kind: FaultKind
    status: int
    message: str
    code: str | None = None
    type: str | None = None
    param: str | None = None
    retry_after: float | None = None


class ProviderFault(Exception):
    """A provider's answer is, or holds, a refusal."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


class WireDefect(BadEvent):
    """A wire shape's own code has failed at a request, or at what a provider sent; the cause is for the log alone."""

    def __init__(self) -> None:
        super().__init__("the gateway failed at the provider's shape; its log says why")


class _Guarded:
    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _where: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, BadEvent | ProviderFault | GatewayError):
            raise WireDefect from error


GUARDED = _Guarded()
"""Around the code of a wire shape: all that it was not to raise is a WireDefect, so that a shape of the user's own
fails like a provider does, and another target may serve.
"""


Policy = Literal["strict", "clamp", "drop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """How a vendor of a known shape differs from it. Fields are named as the vendor's own API does.

    ``unsupported`` are request fields that it refuses or ignores; ``renamed`` those that it has under another name.
    ``usage_in_stream``: whether it knows stream_options.include_usage. ``in_answers``: members of earlier answers, and
    of their tool calls, that other vendors have and it refuses, by its own name for them, None when it has none.

    The rest is for requests of callers who speak another shape. ``parameters``: what it takes, where the shape's own
    are too wide. ``max_tokens``: its name for the longest answer. ``text_parts``: whether several texts may be a list;
    else they are joined. ``thoughts``: the member of assistant messages in which it wants its reasoning back, None when
    it does not; ``thoughts_needed``: whether it refuses calls of tools without that. ``no_thinking``: the members that
    switch reasoning off. ``json_schema``: whether answers can follow one. ``named_choice``: whether one tool can be
    demanded by name. ``longest_name`` of a tool, in characters.
    """

    unsupported: frozenset[str] = frozenset()
    renamed: Mapping[str, str] = field(default_factory=dict)
    usage_in_stream: bool = True
    in_answers: Mapping[str, str | None] = field(default_factory=dict)
    parameters: Parameters | None = None
    max_tokens: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    text_parts: bool = False
    thoughts: str | None = None
    thoughts_needed: bool = False
    no_thinking: Mapping[str, Any] = field(default_factory=lambda: {"reasoning_effort": "none"})
    json_schema: bool = True
    named_choice: bool = True
    longest_name: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of the model that a request goes to.

    ``model`` is the provider's name of it; ``max_output_tokens`` the longest answer, None when unknown; ``policy`` what
    to do with parameters that the provider can't take; ``vendor`` the value of ``ProviderPolicy.spec.provider``.
    """

    model: str
    vendor: str = ""
    max_output_tokens: int | None = None
    capabilities: frozenset[str] = frozenset()
    policy: Policy = "strict"
    quirks: Quirks = field(default_factory=Quirks)


class Adapter(Protocol):
    """One wire shape for chat."""

    def build_request(self, request: ChatRequest, facts: Facts) -> bytes:
        """The body to send. Raises CallerError, which names the caller's field, for what the shape can't say."""
        ...

    def parse_response(self, body: bytes) -> ChatAnswer:
        """Read a whole answer of status 2xx. Raises BadEvent when it is not one, ProviderFault for an error in it."""
        ...

    def parse_event(self, data: bytes, memory: dict[str, Any]) -> Sequence[Delta]:
        """Read the data of one server-sent event; () when it says nothing. Raises BadEvent and ProviderFault.

        ``memory`` is what earlier events of this stream have left, for this adapter alone; empty at first.
        """
        ...

    def parse_error(self, status: int, header: Callable[[str], str | None], body: bytes) -> Fault:
        """Read an answer of any other status, whatever its body is."""
        ...


class EmbeddingAdapter(Protocol):
    """One wire shape for embeddings."""

    def build_request(self, request: EmbeddingRequest, facts: Facts) -> bytes:
        """The body to send. Raises CallerError."""
        ...

    def parse_response(self, body: bytes) -> EmbeddingAnswer:
        """Read a whole answer of status 2xx. Raises BadEvent and ProviderFault."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What one server-sent event of a relayed stream says beyond its text.

    ``finished`` are the numbers of the choices that end with it; ``done`` is the shape's own end mark; ``bare``: it
    carries nothing for a caller but usage.
    """

    finished: tuple[int, ...] = ()
    done: bool = False
    usage: Usage | None = None
    bare: bool = False


class Observer(Protocol):
    """Reads what is relayed as it is, for what the gateway must know."""

    def response(self, body: bytes) -> Usage | None:
        """Read a whole answer of status 2xx. Raises BadEvent when it is not one, ProviderFault for an error in it."""
        ...

    def event(self, data: bytes) -> Event | None:
        """Read one event of a stream; None when it has nothing but text. Raises BadEvent and ProviderFault."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Native:
    """A client's shape that the wire speaks itself: it is relayed byte for byte, and only observed.

    ``passes``: names of headers, in lower case, that belong to the request as much as its body.
    """

    path: str
    observer: Observer
    passes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """One wire shape.

    Paths are templates behind the base URL, query included, with ``{model}`` and the fields of a ``Site``;
    ``chat_stream`` is the path of streams where it differs. ``key_header`` carries the key behind ``key_prefix``.
    ``native`` are the clients' shapes that it speaks itself. ``image_urls``: whether the provider fetches images.
    """

    name: str
    adapter: Adapter
    chat: str
    chat_stream: str | None = None
    embeddings: EmbeddingAdapter | None = None
    embeddings_path: str = ""
    native: Mapping[Shape, Native] = field(default_factory=dict)
    key_header: str = "authorization"
    key_prefix: str = "Bearer "
    headers: tuple[tuple[str, str], ...] = ()
    parameters: Parameters = field(default_factory=Parameters)
    image_urls: bool = True
