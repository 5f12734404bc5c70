"""The stated formula for tokens of a request, term by term."""

import pytest

from sluice_gateway.normal.estimate import (
    A_MESSAGE,
    A_PAGE,
    A_PICTURE,
    A_SMALL_PICTURE,
    A_TOOL,
    AN_ANSWER,
    PAGE_BYTES,
    estimate_tokens,
)
from sluice_gateway.normal.parts import (
    Audio,
    Document,
    Image,
    Part,
    Refusal,
    Source,
    Text,
    Thought,
    ToolCall,
    ToolResult,
)
from sluice_gateway.normal.requests import ChatRequest, Format, Message, Tool

WORDS = Text(text="a" * 400)


def request(*parts: Part) -> ChatRequest:
    return ChatRequest(messages=(Message(role="user", parts=parts),))


@pytest.mark.parametrize(
    ("part", "tokens"),
    [
        (WORDS, 100),
        (Text(text="é" * 400), 200),
        (Text(text="\ud83d" * 400), 100),
        (Thought(text="a" * 40, signature="b" * 4000), 10),
        (Refusal(text="a" * 40), 10),
        (ToolCall(id="t", name="a" * 4, arguments="b" * 8), A_TOOL + 3),
        (ToolResult(call_id="t", content=(WORDS, WORDS)), A_TOOL + 200),
        (Image(source=Source(url="https://example.com/a.png")), A_PICTURE),
        (Image(source=Source(data="A" * 400_000, media_type="image/png"), detail="low"), A_SMALL_PICTURE),
        (Document(source=Source(file_id="f")), A_PAGE),
        (Document(source=Source(data="A" * (PAGE_BYTES * 4), media_type="application/pdf")), 3 * A_PAGE),
        (Audio(data="A" * 64_000, format="mp3"), 96),
    ],
    ids=lambda value: type(value).__name__,
)
def test_parts(part: Part, tokens: int) -> None:
    assert estimate_tokens(request(part)) == AN_ANSWER + A_MESSAGE + tokens


def test_messages_tools_and_formats_have_their_own_weight() -> None:
    tools = (Tool(name="a" * 8, description="b" * 8, parameters={"a": 1}), Tool(name="c" * 4))
    told = ChatRequest(messages=request(WORDS).messages * 3, tools=tools, format=Format(schema={"a": 1}))
    assert estimate_tokens(told) == AN_ANSWER + 3 * (A_MESSAGE + 100) + 2 * A_TOOL + 7 + 2


def test_the_ratio_is_that_of_the_model() -> None:
    assert estimate_tokens(request(WORDS), 1.5) == 159
    assert estimate_tokens(request(WORDS), 0.5) == 53
