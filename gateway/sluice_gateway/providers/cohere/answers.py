"""Reading Cohere's answers (Cohere API reference, "Chat").

A plan to call tools is a thought. Citations are left out: no shape of a caller's has a place for those of documents.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from sluice_gateway.normal.answers import ChatAnswer, Choice, Finish
from sluice_gateway.normal.parts import Part, Text, Thought, ToolCall
from sluice_gateway.normal.usage import Usage, tokens
from sluice_gateway.providers.adapter import Fault, FaultKind, ProviderFault
from sluice_gateway.providers.cohere.faults import fault_said
from sluice_gateway.providers.faults import parsed, words
from sluice_gateway.providers.loose import loosely
from sluice_gateway.sse import BadEvent

ORIGIN = "cohere"

FINISHES: Mapping[str, Finish] = {
    "COMPLETE": Finish.STOP,
    "STOP_SEQUENCE": Finish.STOP_SEQUENCE,
    "MAX_TOKENS": Finish.LENGTH,
    "TOOL_CALL": Finish.TOOL_CALLS,
}

FAILURES: Mapping[str, tuple[FaultKind, int]] = {
    "ERROR": (FaultKind.FAILED, 502),
    "TIMEOUT": (FaultKind.TIMEOUT, 504),
}


class Function(msgspec.Struct, gc=False):
    """What is called. ``arguments`` is JSON text."""

    name: str | None = None
    arguments: str | None = None


class Call(msgspec.Struct, gc=False):
    """A tool call."""

    id: str | None = None
    function: Function | None = None


class Item(msgspec.Struct, gc=False):
    """A piece of the content: one of its members is set."""

    text: str | None = None
    thinking: str | None = None


class Message(msgspec.Struct, gc=False):
    """What the model has said. Its content is a list, as it may be a string where it is sent."""

    content: list[Item] | str | None = None
    tool_plan: str | None = None
    tool_calls: list[Call] | None = None


class Count(msgspec.Struct, gc=False):
    """Tokens, as floating point numbers."""

    input_tokens: float | None = None
    output_tokens: float | None = None


class Counts(msgspec.Struct, gc=False):
    """``tokens`` is what the model has read and written, ``billed_units`` what of it is charged."""

    tokens: Count | None = None
    billed_units: Count | None = None
    cached_tokens: float | None = None


class Logprob(msgspec.Struct, gc=False):
    """A piece of text and the probabilities of the tokens that it is made of."""

    text: str | None = None
    logprobs: list[float] | None = None


class Reply(msgspec.Struct, gc=False):
    """A whole answer."""

    id: str | None = None
    finish_reason: str | None = None
    message: Message | str | None = None
    usage: Counts | None = None
    logprobs: list[Logprob] | None = None
    error: Any = None


S = TypeVar("S", bound=msgspec.Struct)

_decode = msgspec.json.Decoder(Reply).decode


def read_answer(body: bytes) -> ChatAnswer:
    """A whole answer. Raises BadEvent and ProviderFault."""
    try:
        reply = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        reply = read_loosely(Reply, body)
    message = reply.message
    if not isinstance(message, Message):
        if message or reply.error:
            raise ProviderFault(fault_said(message or reply.error))
        raise BadEvent("the provider's answer has no message")
    parts = tuple(_parts(message, reply.id))
    calls = any(isinstance(part, ToolCall) for part in parts)
    choice = Choice(
        parts=parts, finish=finish_of(reply.finish_reason, calls=calls), logprobs=logprobs_of(reply.logprobs or ())
    )
    return ChatAnswer(choices=(choice,), id=reply.id, usage=usage_of(reply.usage))


def read_loosely(kind: type[S], data: bytes) -> S:
    """What is not quite of its types. Raises BadEvent, and ProviderFault for an error of Cohere's or a proxy's."""
    document = parsed(data)
    if not isinstance(document, dict):
        raise BadEvent("the provider sent JSON that is not an object")
    said = document.get("error") or document.get("message")
    if "error" in document or isinstance(said, str):
        raise ProviderFault(fault_said(said))
    return loosely(kind, document)


def finish_of(reason: str | None, *, calls: bool, error: str | None = None) -> Finish:
    """Why an answer ends. An unknown reason is a plain stop; calls decide whether tools were called.

    Raises ProviderFault where the generation has failed; ``error`` are Cohere's words on it.
    """
    if reason in FAILURES or error:
        kind, status = FAILURES.get(reason or "", (FaultKind.FAILED, 502))
        message = words(error) or f"the generation ended with {reason}"
        raise ProviderFault(Fault(kind=kind, status=status, message=message))
    finish = FINISHES.get(reason or "", Finish.STOP)
    if calls:
        return Finish.TOOL_CALLS if finish is Finish.STOP else finish
    return Finish.STOP if finish is Finish.TOOL_CALLS else finish


def usage_of(counts: Counts | None) -> Usage | None:
    """Tokens; those billed where no others were reported, None where none were."""
    if counts is None:
        return None
    for count in (counts.tokens, counts.billed_units):
        if count is not None and (count.input_tokens is not None or count.output_tokens is not None):
            prompt = tokens(count.input_tokens)
            cached = min(tokens(counts.cached_tokens), prompt)
            return Usage(prompt=prompt, completion=tokens(count.output_tokens), cached=cached)
    return None


def logprobs_of(pieces: Sequence[Logprob]) -> dict[str, Any] | None:
    """In OpenAI's shape; None when there are none.

    The probability of a piece of several tokens, whose own texts are not told, is that of all of them together.
    """
    content = [_token(piece) for piece in pieces if piece.logprobs]
    return {"content": content, "refusal": None} if content else None


def call_id(given: str | None, answer_id: str | None, number: int) -> str:
    """A call's id, made up for one that came without."""
    return given or f"call_{answer_id or 0}_{number}"


def _token(piece: Logprob) -> dict[str, Any]:
    text = piece.text or ""
    return {"token": text, "logprob": sum(piece.logprobs or ()), "bytes": list(text.encode()), "top_logprobs": []}


def _parts(message: Message, answer_id: str | None) -> Iterator[Part]:
    content = message.content
    for item in (Item(text=content),) if isinstance(content, str) else content or ():
        if item.thinking:
            yield Thought(text=item.thinking, origin=ORIGIN)
        if item.text:
            yield Text(text=item.text)
    if message.tool_plan:
        yield Thought(text=message.tool_plan, origin=ORIGIN)
    number = 0
    for call in message.tool_calls or ():
        if call.function is not None and call.function.name:
            identity = call_id(call.id, answer_id, number)
            yield ToolCall(id=identity, name=call.function.name, arguments=call.function.arguments or "{}")
            number += 1
