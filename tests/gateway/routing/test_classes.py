"""Kinds of requests. The tables in docs/routing.md are the cases, and say what the code says."""

import re
from pathlib import Path
from typing import Any

import pytest

from sluice_gateway.calls import Call, Shape
from sluice_gateway.routing import scores
from sluice_gateway.routing.classes import (
    CLASSES,
    EMBEDDING,
    GENERAL,
    LONG,
    READ,
    REASONING,
    SHORT,
    SIMPLE,
    TOOLS,
    VISION,
    Class,
    classify,
    read_words,
)
from sluice_gateway.routing.needs import needs_of
from sluice_gateway.routing.plan import EXPLORED, IDLE_SECONDS, NO_NEEDS
from sluice_gateway.routing.strategies import PEERS
from tests.support.plans import call_of, said

PAGE = Path(__file__).parents[3] / "docs" / "routing.md"
PICTURE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading of the page, without its head."""
    _, _, below = PAGE.read_text().partition(f"\n### {heading}\n")
    table = re.findall(r"^\|(.*)\|$", below.partition("\n#")[0], re.MULTILINE)
    return [[cell.strip() for cell in line.split("|")] for line in table[2:]]


def case(text: str, more: str) -> Call:
    """The call of a row: what the user says, and what else there is to it."""
    if "embeddings" in more:
        return call_of({"input": text}, Shape.EMBEDDINGS)
    document: dict[str, Any] = {"messages": [{"role": "user", "content": text}]}
    if before := re.search(r"after ([\d,]+) tokens", more):
        document["messages"].insert(0, {"role": "assistant", "content": "bla " * int(before[1].replace(",", ""))})
    if "picture" in more:
        document["messages"][-1]["content"] = [{"type": "text", "text": text}, PICTURE]
    if "tools" in more:
        document["tools"] = [{"type": "function", "function": {"name": "look_up"}}]
    if effort := re.search(r"reasoning_effort (\w+)", more):
        document["reasoning_effort"] = effort[1]
    return call_of(document)


@pytest.mark.parametrize(("text", "more", "name"), rows("Cases"))
def test_the_cases_of_the_page(text: str, more: str, name: str) -> None:
    call = case(text, more)
    assert classify(call, needs_of(call))[0].name == name


def test_each_class_has_a_case() -> None:
    assert {name for _, _, name in rows("Cases")} == {one.name for one in CLASSES}


def test_the_classes_of_the_page_are_those_of_the_code() -> None:
    shown = [
        (name, float(cost), float(fast), float(able), int(floor))
        for name, _, cost, fast, able, floor in rows("Classes")
    ]
    assert shown == [(one.name, one.cost, one.latency, one.capability, one.floor) for one in CLASSES]


def test_no_class_takes_all_weight_from_a_route() -> None:
    assert all(min(one.cost, one.latency, one.capability) > 0 for one in CLASSES)
    assert [one.asked for one in CLASSES if one.asked] == [("reasoning",)]


@pytest.mark.parametrize(
    ("tokens", "found"),
    [(SHORT, SIMPLE), (SHORT + 1, GENERAL), (LONG - 1, GENERAL), (LONG, CLASSES[5])],
)
def test_sizes(tokens: int, found: Class) -> None:
    assert classify(said("Hello!"), NO_NEEDS._replace(prompt_tokens=tokens))[0] is found


def test_reasons_say_what_was_seen() -> None:
    assert classify(said("Prove it!"), NO_NEEDS) == (REASONING, "the user says 'prove'")
    assert classify(said("STEP BY STEP, prove"), NO_NEEDS)[1] == "the user says 'step by step'"
    assert classify(said("a proof, derive"), NO_NEEDS)[1] == "the user says 'derive'"
    assert classify(said("python"), NO_NEEDS)[1] == "the user says 'python'"
    assert (
        classify(said("x", reasoning_effort="high"), NO_NEEDS)[1] == "it asks for reasoning by reasoning_effort = high"
    )
    assert classify(said("x"), NO_NEEDS._replace(tools=True, vision=True)) == (TOOLS, "it offers tools")
    assert classify(said("x"), NO_NEEDS._replace(vision=True)) == (VISION, "it shows pictures")
    assert classify(said("prove"), NO_NEEDS._replace(embeddings=True)) == (EMBEDDING, "it asks for embeddings")
    assert str(LONG) in classify(said("x"), NO_NEEDS._replace(prompt_tokens=LONG))[1]
    assert str(SHORT) in classify(said("x"), NO_NEEDS)[1]
    assert classify(said("x"), NO_NEEDS._replace(prompt_tokens=500)) == (
        GENERAL,
        "about 500 tokens, and nothing else to it",
    )


@pytest.mark.parametrize(
    ("shape", "document", "reasons"),
    [
        (Shape.CHAT, {"reasoning_effort": "medium"}, True),
        (Shape.CHAT, {"reasoning_effort": "xhigh"}, True),
        (Shape.CHAT, {"reasoning_effort": "minimal"}, False),
        (Shape.CHAT, {"reasoning_effort": "none"}, False),
        (Shape.CHAT, {"reasoning_effort": None}, False),
        (Shape.CHAT, {"reasoning_effort": []}, False),
        (Shape.RESPONSES, {"reasoning": {"effort": "high"}}, True),
        (Shape.RESPONSES, {"reasoning": {"effort": "low"}}, False),
        (Shape.RESPONSES, {"reasoning": "high"}, False),
        (Shape.RESPONSES, {"reasoning_effort": "high"}, False),
        (Shape.MESSAGES, {"thinking": {"type": "enabled", "budget_tokens": 2000}}, True),
        (Shape.MESSAGES, {"thinking": {"type": "adaptive"}}, False),
        (Shape.MESSAGES, {"thinking": {"type": "disabled"}}, False),
        (Shape.MESSAGES, {"output_config": {"effort": "max"}}, True),
    ],
)
def test_fields_that_ask_for_reasoning(shape: Shape, document: dict[str, Any], reasons: bool) -> None:
    assert (classify(call_of(document, shape), NO_NEEDS)[0] is REASONING) == reasons


@pytest.mark.parametrize(
    ("shape", "document", "reasons"),
    [
        (Shape.RESPONSES, {"input": "prove it"}, True),
        (Shape.COMPLETIONS, {"prompt": "prove it"}, True),
        (Shape.COMPLETIONS, {"prompt": ["prove it"]}, False),
        (Shape.RESPONSES, {"input": [{"role": "user", "content": [{"type": "input_text", "text": "prove it"}]}]}, True),
        (Shape.CHAT, {"messages": [{"role": "assistant", "content": "prove it"}]}, False),
        (Shape.CHAT, {"messages": [{"role": "user", "content": [None, {"text": 5}, {"text": "prove it"}]}]}, True),
        (Shape.CHAT, {"messages": [{"role": "user", "content": {"text": "prove it"}}]}, False),
        (Shape.CHAT, {"messages": []}, False),
    ],
)
def test_words_are_the_users_in_every_shape(shape: Shape, document: dict[str, Any], reasons: bool) -> None:
    assert (classify(call_of(document, shape), NO_NEEDS)[0] is REASONING) == reasons


def test_the_latest_words_of_the_user_count() -> None:
    turns: list[dict[str, Any]] = [{"role": "user", "content": "prove it"}, {"role": "user", "content": "thanks"}]
    assert classify(call_of({"messages": turns}), NO_NEEDS)[0] is SIMPLE
    turns.append({"role": "user", "content": [{"type": "tool_result", "content": "derive"}]})  # type: no words of theirs
    assert classify(call_of({"messages": turns}), NO_NEEDS)[0] is SIMPLE
    assert classify(call_of({"messages": turns[::2]}), NO_NEEDS)[0] is REASONING


@pytest.mark.parametrize(
    ("before", "after", "reasons"),
    [
        (READ - 5, 5000, True),  # its five letters end where reading does
        (READ - 4, 5000, False),
        (5000, READ - 5, True),
        (5000, READ - 4, False),
        (READ - 2, READ - 3, True),  # all of it is read
        (READ - 2, READ - 2, False),  # it is cut in two
    ],
)
def test_a_long_text_is_read_at_its_begin_and_its_end(before: int, after: int, reasons: bool) -> None:
    text = " " * before + "prove" + " " * after
    assert (classify(said(text), NO_NEEDS)[0] is REASONING) == reasons


def test_a_shorter_text_is_cut_nowhere() -> None:
    assert classify(said(" " * (READ - 5) + "proverb" + " " * 9), NO_NEEDS)[0] is not REASONING


def test_words_are_such_as_can_be_found() -> None:
    for languages in read_words().values():
        for told in languages.values():
            assert all(re.fullmatch(r"\w+", word) and word == word.lower() for word in told.words)
            assert all(phrase == phrase.lower() for phrase in told.phrases)


def test_the_page_names_the_languages() -> None:
    page = PAGE.read_text()
    assert all(name in page for name in read_words()["reasoning"])


def test_the_page_says_the_bounds_of_the_code() -> None:
    page = " ".join(PAGE.read_text().split())
    assert f"its prompt has about {LONG:,} tokens or more" in page
    assert f"its prompt has about {SHORT} tokens at most" in page
    assert f"in its first {READ:,} and its last {READ:,} characters" in page
    assert f"at most {EXPLORED:.0%} of the requests".replace("%", " %") in page
    assert (IDLE_SECONDS, "was not asked for five minutes" in page) == (300, True)
    assert f"at most {PEERS} below the best" in page
    assert f"{scores.COVERAGE} x coverage + {scores.HEADROOM} x room + {scores.BREADTH} x breadth" in page
    assert (scores.DOLLAR_GRAIN, scores.SECOND_GRAIN, "(0.001 cents, 10 ms)" in page) == (1e-5, 0.01, True)
