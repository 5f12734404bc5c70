"""OpenAI's chat completions, and all who speak them (OpenAI API reference, "Chat" and "Errors").

The caller's shape is the provider's: bodies and frames are relayed as bytes, and only read for what the gateway must
know.
"""

import msgspec

from sluice_gateway.normal.usage import Usage, tokens
from sluice_gateway.providers.adapter import Event, ProviderFault
from sluice_gateway.providers.faults import fault_within, mended, parsed
from sluice_gateway.sse import BadEvent

_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_TEXT_ONLY = None
_DONE = Event(done=True)


class _Details(msgspec.Struct, gc=False):
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None


_NONE = _Details()


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None


class _Choice(msgspec.Struct, gc=False):
    index: int | None = None
    finish_reason: str | None = None


class _Body(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: msgspec.Raw | None = None


_decode_body = msgspec.json.Decoder(_Body).decode
_decode_any = msgspec.json.Decoder().decode


class OpenAIObserver:
    """Reads chat completions, completions and embeddings."""

    def response(self, body: bytes) -> Usage | None:
        """A whole answer; an error object under status 200 is a fault."""
        read = _read(body)
        _raise_fault(read)
        return _usage(read.usage)

    def event(self, data: bytes) -> Event | None:
        """One event's data."""
        if data == b"[DONE]":
            return _DONE
        try:
            read = _decode_body(data)
        except (msgspec.ValidationError, *_NOT_JSON):
            read = _read(data)
        _raise_fault(read)
        finished: tuple[int, ...] = ()
        for choice in read.choices or ():
            if choice.finish_reason is not None:
                finished += (choice.index or 0,)
        if not finished and read.usage is None:
            return _TEXT_ONLY
        return Event(finished=finished, usage=_usage(read.usage), bare=not read.choices)


def _raise_fault(read: _Body) -> None:
    if read.error is not None and (fault := fault_within(parsed(read.error))):
        raise ProviderFault(fault)


def _read(data: bytes) -> _Body:
    try:
        return _decode_body(data)
    except msgspec.ValidationError:
        return _read_loosely(data)
    except _NOT_JSON:
        return _read(mended(data))


def _read_loosely(data: bytes) -> _Body:
    """JSON whose types are not those of the reference: what can be understood still counts."""
    document = parsed(data)
    if not isinstance(document, dict):
        raise BadEvent("the provider sent JSON that is not an object")
    read = _Body()
    for field, kind in (("choices", list[_Choice]), ("usage", _Usage)):
        try:
            setattr(read, field, msgspec.convert(document.get(field), kind | None))
        except msgspec.ValidationError:
            continue
    if document.get("error") is not None:
        read.error = msgspec.Raw(msgspec.json.encode(document["error"]))
    return read


def _usage(usage: _Usage | None) -> Usage | None:
    if usage is None or (usage.prompt_tokens is None and usage.completion_tokens is None):
        return None
    prompt, completion = usage.prompt_tokens_details or _NONE, usage.completion_tokens_details or _NONE
    return Usage(
        prompt=tokens(usage.prompt_tokens),
        completion=tokens(usage.completion_tokens),
        cached=tokens(prompt.cached_tokens),
        reasoning=tokens(completion.reasoning_tokens),
        audio_prompt=tokens(prompt.audio_tokens),
        audio_completion=tokens(completion.audio_tokens),
    )
