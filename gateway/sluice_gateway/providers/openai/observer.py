"""OpenAI's chat completions, and all who speak them (OpenAI API reference, "Chat" and "Errors").

The caller's shape is the provider's: bodies and frames are relayed as bytes, and only read for what the gateway must
know.
"""

import msgspec

from sluice_gateway.normal.usage import Usage
from sluice_gateway.providers.adapter import Event, Fault, FaultKind, ProviderFault
from sluice_gateway.providers.faults import fault_within, mended, parsed
from sluice_gateway.providers.loose import loosely
from sluice_gateway.providers.openai.usage import Groq, Reported, Timings, counted, timed
from sluice_gateway.sse import BadEvent

# Reasons that end an answer because the server could not go on: DeepSeek ("Create chat completion"), vLLM, OpenRouter.
BREAKDOWNS = frozenset({"insufficient_system_resource", "error", "abort"})

_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_TEXT_ONLY = None
_DONE = Event(done=True)


class _Choice(msgspec.Struct, gc=False):
    index: int | None = None
    finish_reason: str | None = None
    usage: Reported | None = None


class _Body(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: Reported | None = None
    error: msgspec.Raw | None = None
    x_groq: Groq | None = None
    timings: Timings | None = None


_decode_body = msgspec.json.Decoder(_Body).decode


class OpenAIObserver:
    """Reads chat completions, completions and embeddings."""

    def response(self, body: bytes) -> Usage | None:
        """A whole answer; an error object under status 200 is a fault."""
        read = _read(body)
        _raise_fault(read, body)
        _finished(read)
        return _usage(read)

    def event(self, data: bytes) -> Event | None:
        """One event's data."""
        if data == b"[DONE]":
            return _DONE
        try:
            read = _decode_body(data)
        except (msgspec.ValidationError, *_NOT_JSON):
            read = _read(data)
        _raise_fault(read, data)
        finished = _finished(read)
        if not finished and read.usage is None and read.x_groq is None:
            return _TEXT_ONLY
        usage = _usage(read)
        if not finished and usage is None and read.usage is None:
            return _TEXT_ONLY
        return Event(finished=finished, usage=usage, bare=not read.choices)


def _finished(read: _Body) -> tuple[int, ...]:
    """The choices that end here. Raises ProviderFault when the server has broken one off."""
    finished: tuple[int, ...] = ()
    for choice in read.choices or ():
        if choice.finish_reason:
            if choice.finish_reason in BREAKDOWNS:
                raise ProviderFault(broken_down(choice.finish_reason))
            finished += (choice.index or 0,)
    return finished


def broken_down(reason: str) -> Fault:
    """The fault of an answer that ends with one of BREAKDOWNS."""
    message = f"the provider broke off its answer: {reason}"
    return Fault(kind=FaultKind.FAILED, status=503, message=message, code=reason)


def _raise_fault(read: _Body, data: bytes) -> None:
    if read.error is not None and (fault := fault_within(parsed(read.error))):
        raise ProviderFault(fault)
    if read.x_groq is not None and read.x_groq.error:
        raise_within(read.x_groq.error)
    if read.choices is None and b'"error"' in data:
        raise_bare(data)


def raise_within(error: object) -> None:
    """Raise ProviderFault for an error object."""
    if fault := fault_within(error):
        raise ProviderFault(fault)


def raise_bare(data: bytes) -> None:
    """Raise ProviderFault for an error that is not in a member of its own: ``{"object": "error", "message", ...}``, as
    vLLM wrote it.
    """
    document = parsed(data)
    if isinstance(document, dict) and document.get("object") == "error":
        raise_within(document)


def _read(data: bytes) -> _Body:
    try:
        return _decode_body(data)
    except msgspec.ValidationError:
        return _read_loosely(data)
    except _NOT_JSON:
        return _read(mended(data))


def _read_loosely(data: bytes) -> _Body:
    """JSON whose types are not those of the reference."""
    document = parsed(data)
    if not isinstance(document, dict):
        raise BadEvent("the provider sent JSON that is not an object")
    return loosely(_Body, document)


def _usage(read: _Body) -> Usage | None:
    """The first that there is of all the places where vendors report it."""
    if read.usage is not None:
        return counted(read.usage)
    if read.x_groq is not None and read.x_groq.usage is not None:
        return counted(read.x_groq.usage)
    for choice in read.choices or ():
        if choice.usage is not None:
            return counted(choice.usage)
    return timed(read.timings)
