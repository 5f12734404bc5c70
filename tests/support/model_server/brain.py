"""The model: a pure function from a conversation to an answer, made of rules."""

import json
import re
from dataclasses import replace

from tests.support.model_server.conversation import Answer, Conversation, Finish, Turn, tokens
from tests.support.model_server.schemas import instance
from tests.support.model_server.tool_use import calls_for

_SAY = re.compile(
    r"\b(?:say|repeat|echo)\b(?: after me)?(?: (?:just|only|exactly|back))*:?\s+(\"[^\"]+\"|'[^']+'|[^\n.?!]+[.?!]?)",
    re.IGNORECASE,
)
_COUNT = re.compile(r"\bcount (?:from 1 )?to (\d+)", re.IGNORECASE)
_KEY = re.compile(r"['\"`](\w+)['\"`]")
_END = re.compile(r"\b(?:end|finish) (?:every|each|all|your) \w+ with (\S+?)[.]?(?:\s|$)", re.IGNORECASE)
_CAPITALS = re.compile(r"\b(?:capitals|upper ?case)\b", re.IGNORECASE)
_REFUSED = re.compile(r"\bnapalm\b", re.IGNORECASE)
_MOST_COUNTED = 20_000
LEAST_CACHED = 1024  # tokens: shorter prompts are not kept, by OpenAI nor by Anthropic


def answer(conversation: Conversation) -> Answer:
    """What the model says; the same each time it is asked the same."""
    begun = Answer(prompt_tokens=prompt_tokens(conversation), cached_tokens=cached_tokens(conversation))
    if _REFUSED.search(conversation.asked):
        return replace(begun, finish=Finish.REFUSED)
    if conversation.thinks:
        begun = replace(begun, thought=_thought(conversation))
    if calls := calls_for(conversation):
        count = sum(len(tokens(f"{call.name} {json.dumps(call.arguments)}")) for call in calls)
        said = replace(begun, calls=calls, finish=Finish.CALLS, answer_tokens=count)
    else:
        said = _in_words(begun, conversation)
    return _within(replace(said, thought_tokens=len(tokens(said.thought))), conversation.max_tokens)


def prompt_tokens(conversation: Conversation) -> int:
    """Words of all turns and tools; a picture counts ten, and each message one more."""
    turns = sum(_turn_tokens(turn) for turn in conversation.turns)
    tools = (f"{tool.name} {tool.description} {json.dumps(tool.schema)}" for tool in conversation.tools)
    return turns + sum(len(tokens(tool)) for tool in tools)


def cached_tokens(conversation: Conversation) -> int:
    """Of the prompt, what must have been there before: all up to the model's own last turn, when that is long."""
    answered = [number for number, turn in enumerate(conversation.turns) if turn.role == "assistant"]
    earlier = replace(conversation, turns=conversation.turns[: answered[-1] + 1 if answered else 0])
    count = prompt_tokens(earlier)
    return count if answered and count >= LEAST_CACHED else 0


def _turn_tokens(turn: Turn) -> int:
    calls = (f"{call.name} {json.dumps(call.arguments)}" for call in turn.calls)
    return 1 + 10 * len(turn.media) + sum(len(tokens(text)) for text in (turn.text, *turn.results, *calls))


def _thought(conversation: Conversation) -> str:
    about = " ".join(conversation.results) or conversation.asked
    return f"I am to think about this: {' '.join(about.split())}"


def _in_words(begun: Answer, conversation: Conversation) -> Answer:
    """Text, why it ends, and its length."""
    if conversation.schema is not None:
        text = json.dumps(instance(conversation.schema, conversation.asked), ensure_ascii=False)
    elif conversation.json:
        keys = _KEY.findall(conversation.asked) or ["answer"]
        text = json.dumps({key: f"{key} of {conversation.asked[:40]}" for key in keys}, ensure_ascii=False)
    else:
        text = _obeying(conversation.system, _reply(conversation))
    finish, sequence = Finish.DONE, None
    for stop in conversation.stop:
        if stop and stop in text:
            text, finish, sequence = text[: text.index(stop)], Finish.STOPPED, stop
    return replace(begun, text=text, finish=finish, stop_sequence=sequence, answer_tokens=len(tokens(text)))


def _reply(conversation: Conversation) -> str:
    if results := conversation.results:
        return f"The tools say: {' '.join(results)}"
    said = conversation.asked
    if found := _SAY.search(said):
        return found[1].strip("\"'").strip()
    if found := _COUNT.search(said):
        return " ".join(str(number) for number in range(1, min(int(found[1]), _MOST_COUNTED) + 1))
    seen = [media for turn in conversation.turns for media in turn.media]
    if seen:
        sizes = (f"{media.type} of {media.size} bytes" if media.size else f"{media.type} by URL" for media in seen)
        return f"I see {', '.join(sizes)}."
    return f"You said: {said}"


def _obeying(system: str, text: str) -> str:
    """What instructions make of a reply."""
    if found := _SAY.search(system):
        text = found[1].strip("\"'").strip()
    if _CAPITALS.search(system):
        text = text.upper()
    if found := _END.search(system):
        text = f"{text} {found[1]}"
    return text


def _within(said: Answer, most: int | None) -> Answer:
    """Cut at the most tokens: thoughts come first, and a call that does not fit is not made."""
    if most is None or said.output_tokens <= most:
        return said
    thought = "".join(tokens(said.thought)[:most])
    left = most - len(tokens(thought))
    text = "".join(tokens(said.text)[:left])
    return replace(
        said,
        thought=thought,
        text=text,
        calls=(),
        finish=Finish.CUT,
        stop_sequence=None,
        thought_tokens=len(tokens(thought)),
        answer_tokens=len(tokens(text)),
    )
