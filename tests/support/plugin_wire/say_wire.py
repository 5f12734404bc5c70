"""The shape of a server that knows nothing but turns of text, at POST /say."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from sluice_gateway.errors import UnsupportedParameter
from sluice_gateway.normal.answers import ChatAnswer, Choice, Counted, Delta, Ended, Finish, Finished, TextDelta
from sluice_gateway.normal.parts import Text
from sluice_gateway.normal.requests import ChatRequest, Message
from sluice_gateway.normal.usage import Usage, tokens
from sluice_gateway.providers.adapter import Facts, Fault, ProviderFault, Wire
from sluice_gateway.providers.faults import fault_of, fault_within, parsed, words
from sluice_gateway.providers.parameters import Parameters
from sluice_gateway.sse import BadEvent

# All that a request can say, but for what this shape has a place for, and what changes no answer.
KNOWN = {"messages", "max_tokens", "stream", "user", "metadata", "extra", "names"}
PARAMETERS = Parameters(unsupported=frozenset(ChatRequest.__struct_fields__) - KNOWN, extra=frozenset({"mood"}))

FINISHES = {"said it all": Finish.STOP, "out of breath": Finish.LENGTH}


class SayAdapter:
    """The four functions. They hold no state and do no I/O."""

    def build_request(self, request: ChatRequest, facts: Facts) -> bytes:
        """The body."""
        turns = [{"by": message.role, "text": text_of(message, request, facts)} for message in request.messages]
        body = {"voice": facts.model, "turns": turns, "stream": request.stream, **request.extra}
        if request.max_tokens is not None:
            body["limit"] = request.max_tokens
        return msgspec.json.encode(body)

    def parse_response(self, body: bytes) -> ChatAnswer:
        """A whole answer."""
        said = read(body)
        if not isinstance(text := said.get("text"), str):
            raise BadEvent("the provider's answer has no text")
        choice = Choice(parts=(Text(text=text),), finish=finish_of(said))
        return ChatAnswer(choices=(choice,), usage=usage_of(said))

    def parse_event(self, data: bytes, memory: dict[str, Any]) -> Sequence[Delta]:
        """One event of a stream."""
        said = read(data)
        if isinstance(text := said.get("more"), str):
            return (TextDelta(text),)
        if "why" not in said:
            return ()
        usage = usage_of(said)
        return (Finished(finish_of(said)), *([Counted(usage)] if usage else []), Ended())

    def parse_error(self, status: int, header: Callable[[str], str | None], body: bytes) -> Fault:
        """An answer of another status than 2xx. ``fault_of`` knows what statuses mean; here is only what it can't."""
        fault = fault_of(status, header, body)
        try:
            message = words(read(body).get("problem"))
        except (BadEvent, ProviderFault):
            message = None
        return replace(fault, message=message or fault.message)


def text_of(message: Message, request: ChatRequest, facts: Facts) -> str:
    """The words of a turn. What the server can't be told is refused in the caller's own words, never left out."""
    for part in message.parts:
        if not isinstance(part, Text):
            place = request.named("messages")
            raise UnsupportedParameter(f"{facts.vendor} takes nothing but text", param=place)
    return "\n\n".join(part.text for part in message.parts if isinstance(part, Text))


def read(data: bytes) -> dict[str, Any]:
    """JSON that is an object, and no error."""
    said = parsed(data)
    if not isinstance(said, dict):
        raise BadEvent("the provider sent JSON that is not an object")
    if fault := fault_within(said.get("error")):
        raise ProviderFault(fault)
    return said


def finish_of(said: dict[str, Any]) -> Finish:
    """Why an answer ends: what is not known is a plain stop."""
    return FINISHES.get(str(said.get("why")), Finish.STOP)


def usage_of(said: dict[str, Any]) -> Usage | None:
    """Tokens; None where they were not counted, and never zero instead."""
    counted = said.get("tokens")
    if not isinstance(counted, dict):
        return None
    return Usage(prompt=tokens(counted.get("heard")), completion=tokens(counted.get("said")))


SAY = Wire(name="say", adapter=SayAdapter(), chat="/say", parameters=PARAMETERS)
