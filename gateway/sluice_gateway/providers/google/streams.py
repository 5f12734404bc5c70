"""Gemini's answers in the normal form: whole ones, and those that come in chunks (Gemini API reference,
"generateContent" and "streamGenerateContent").

A chunk has the form of a whole answer: tool calls are whole, usage is cumulative. There is no end mark: the connection
closes.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from sluice_gateway.normal.answers import (
    ChatAnswer,
    Choice,
    Counted,
    Delta,
    Finish,
    Finished,
    PartDelta,
    Started,
    TextDelta,
    ThoughtDelta,
    ToolCallDelta,
)
from sluice_gateway.normal.parts import Part, Text, Thought, ToolCall
from sluice_gateway.providers.google.answers import blocked, finish_of, logprobs_of, parts_of, tier_of, usage_of
from sluice_gateway.providers.google.replies import Candidate, Reply, read_reply
from sluice_gateway.sse import BadEvent

_CALLS, _FINISHED = "calls", "finished"


def read_event(data: bytes, memory: dict[str, Any]) -> Sequence[Delta]:
    """What a chunk adds. ``memory`` keeps how many calls each choice has made, and which have finished."""
    reply = read_reply(data)
    deltas: list[Delta] = []
    refused = not reply.candidates and blocked(reply)
    if _CALLS not in memory and (reply.candidates or refused):
        memory[_CALLS], memory[_FINISHED] = {}, set()
        deltas.append(Started(id=reply.response_id, model=reply.model_version))
    for position, candidate in enumerate(reply.candidates or ()):
        choice = position if candidate.index is None else candidate.index
        if choice not in memory[_FINISHED]:
            _add(deltas, candidate, choice, reply.response_id, memory)
    if refused and 0 not in memory[_FINISHED]:
        memory[_FINISHED].add(0)
        deltas.append(Finished(Finish.CONTENT_FILTER))
    if (usage := usage_of(reply.usage_metadata)) is not None:
        deltas.append(Counted(usage, tier_of(reply.usage_metadata)))
    return deltas


def _add(deltas: list[Delta], candidate: Candidate, choice: int, answer_id: str | None, memory: dict[str, Any]) -> None:
    """What a chunk adds to one choice."""
    logprobs = logprobs_of(candidate)
    calls: dict[int, int] = memory[_CALLS]
    for part in parts_of(candidate, answer_id, choice, calls.get(choice, 0)):
        deltas.append(_delta(part, choice, calls, logprobs))
        if isinstance(part, Text):
            logprobs = None
    if logprobs is not None:
        deltas.append(TextDelta("", choice, logprobs))
    if candidate.finish_reason is not None:
        finish = finish_of(candidate, called=choice in calls)
        memory[_FINISHED].add(choice)
        deltas.append(Finished(finish, choice))


def _delta(part: Part, choice: int, calls: dict[int, int], logprobs: Any) -> Delta:
    if isinstance(part, Text):
        return TextDelta(part.text, choice, logprobs)
    if isinstance(part, Thought):
        return ThoughtDelta(part.text, choice, part.signature, None, part.origin)
    if isinstance(part, ToolCall):
        index = calls.get(choice, 0)
        calls[choice] = index + 1
        return ToolCallDelta(index, part.arguments, part.id, part.name, choice, part.signature, part.origin)
    return PartDelta(part, choice)


def read_answer(body: bytes) -> ChatAnswer:
    """A whole answer. Raises BadEvent when it is not one, ProviderFault for an error in it."""
    reply = read_reply(body)
    choices = tuple(_choices(reply))
    if not choices:
        raise BadEvent("the provider sent an answer without candidates")
    counts = reply.usage_metadata
    return ChatAnswer(
        choices=choices,
        id=reply.response_id,
        model=reply.model_version,
        usage=usage_of(counts),
        service_tier=tier_of(counts),
    )


def _choices(reply: Reply) -> Iterator[Choice]:
    if blocked(reply):
        yield Choice(finish=Finish.CONTENT_FILTER)
    for position, candidate in enumerate(reply.candidates or ()):
        index = position if candidate.index is None else candidate.index
        parts = tuple(parts_of(candidate, reply.response_id, index, 0))
        finish = finish_of(candidate, called=any(isinstance(part, ToolCall) for part in parts))
        yield Choice(index=index, parts=parts, finish=finish, logprobs=logprobs_of(candidate))
