"""A conversation that one provider has begun goes on at any other, in every shape: what seals the thoughts of one means
nothing to another, and is left out.
"""

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from tests.support.live import OFFERS, Site
from tests.support.questions import WEATHER, asked, function

pytestmark = pytest.mark.parametrize(("first", "then"), [(one, other) for one in OFFERS for other in OFFERS])
QUESTION = "What is the weather in Paris?"
ANSWER = "The tools say: 18 degrees"
# The gateway knows nothing of such a server, and passes on what callers send; this one refuses what it does not know.
PASSED_ON = {(one, "compatible") for one in ("anthropic", "google", "vertex")}


@pytest.fixture(scope="module")
def client(site: Site) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=site.openai, api_key="anything", max_retries=0, timeout=20) as found:
        yield found


@pytest.fixture(scope="module")
def claude(site: Site) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=site.gateway, api_key="anything", max_retries=0, timeout=20) as found:
        yield found


def test_in_chat(client: openai.OpenAI, first: str, then: str) -> None:
    question: Any = {"tools": [function(WEATHER)], "reasoning_effort": "high"}
    begun = client.chat.completions.create(model=f"{first}-thinker", messages=asked(QUESTION), **question)
    message = begun.choices[0].message
    results = [{"role": "tool", "tool_call_id": call.id, "content": "18 degrees"} for call in message.tool_calls or ()]
    question |= {"model": f"{then}-thinker", "messages": [*asked(QUESTION), message.to_dict(), *results]}
    if (first, then) in PASSED_ON:
        with pytest.raises(openai.BadRequestError, match="Unrecognized request argument"):
            client.chat.completions.create(**question)
    else:
        assert client.chat.completions.create(**question).choices[0].message.content == ANSWER


def test_in_messages(claude: anthropic.Anthropic, first: str, then: str) -> None:
    tool = {"name": WEATHER["name"], "input_schema": WEATHER["parameters"]}
    question: Any = {"max_tokens": 3000, "tools": [tool], "thinking": {"type": "adaptive"}}
    begun = claude.messages.create(model=f"{first}-thinker", messages=asked(QUESTION), **question)
    used = [block for block in begun.content if block.type == "tool_use"]
    results = [{"type": "tool_result", "tool_use_id": block.id, "content": "18 degrees"} for block in used]
    told: Any = {"role": "assistant", "content": [block.to_dict() for block in begun.content]}
    messages = [*asked(QUESTION), told, {"role": "user", "content": results}]
    answer = claude.messages.create(model=f"{then}-thinker", messages=messages, **question)
    assert "".join(block.text for block in answer.content if block.type == "text") == ANSWER


def test_in_responses(client: openai.OpenAI, first: str, then: str) -> None:
    question: Any = {
        "tools": [{"type": "function", "strict": False, **WEATHER}],
        "reasoning": {"effort": "high", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
        "store": False,
    }
    begun = client.responses.create(model=f"{first}-thinker", input=asked(QUESTION), **question)
    calls = [item for item in begun.output if item.type == "function_call"]
    results = [{"type": "function_call_output", "call_id": call.call_id, "output": "18 degrees"} for call in calls]
    items: Any = [*asked(QUESTION), *(item.to_dict() for item in begun.output), *results]
    assert client.responses.create(model=f"{then}-thinker", input=items, **question).output_text == ANSWER
