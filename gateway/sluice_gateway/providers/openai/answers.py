"""Reading whole chat completions (OpenAI API reference, "The chat completion object")."""

from sluice_gateway.normal.answers import ChatAnswer, Choice
from sluice_gateway.normal.parts import Audio, Part, Refusal, Text, Thought, ToolCall
from sluice_gateway.providers.openai.bodies import (
    Said,
    SaidCall,
    SaidChoice,
    finish_of,
    made_id,
    read_body,
    usage_in,
)
from sluice_gateway.sse import BadEvent


def read_answer(data: bytes) -> ChatAnswer:
    """A whole answer. Raises BadEvent and ProviderFault."""
    body = read_body(data)
    if not body.choices:
        raise BadEvent("the provider's answer has no choices")
    return ChatAnswer(
        id=body.id or None,
        model=body.model or None,
        created=body.created,
        choices=tuple(_choice(choice, number, body.id) for number, choice in enumerate(body.choices)),
        usage=usage_in(body),
        service_tier=body.service_tier,
    )


def _choice(choice: SaidChoice, number: int, answer: str | None) -> Choice:
    said = choice.message or Said()
    index = number if choice.index is None else choice.index
    calls = _calls(said, index, answer)
    finish, stop_sequence = finish_of(choice, called=bool(calls), refused=bool(said.refusal and not said.content))
    return Choice(
        index=index,
        parts=(*_words(said), *calls, *_sounds(said)),
        finish=finish,
        stop_sequence=stop_sequence,
        logprobs=choice.logprobs,
    )


def _words(said: Said) -> tuple[Part, ...]:
    found: list[Part] = []
    if thought := said.reasoning_content or said.reasoning:
        found.append(Thought(text=thought))
    if said.content:
        found.append(Text(text=said.content, extra={"annotations": said.annotations} if said.annotations else {}))
    if said.refusal:
        found.append(Refusal(text=said.refusal))
    return tuple(found)


def _calls(said: Said, choice: int, answer: str | None) -> tuple[ToolCall, ...]:
    calls = list(said.tool_calls or ())
    if said.function_call is not None:
        calls.append(SaidCall(function=said.function_call))
    return tuple(_call(call, number, choice, answer) for number, call in enumerate(calls))


def _call(call: SaidCall, number: int, choice: int, answer: str | None) -> ToolCall:
    function = call.function
    if function is None or not function.name:
        raise BadEvent("the provider sent a tool call without a name")
    return ToolCall(
        id=call.id or made_id(answer, choice, number), name=function.name, arguments=function.arguments or "{}"
    )


def _sounds(said: Said) -> tuple[Part, ...]:
    sound = said.audio
    if sound is None or not (sound.data or sound.id):
        return ()
    return (Audio(id=sound.id, data=sound.data or "", transcript=sound.transcript),)
