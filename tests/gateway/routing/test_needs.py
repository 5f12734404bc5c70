"""What a request needs, in each shape that callers speak."""

import json
from math import ceil
from typing import Any

import pytest

from sluice_gateway.calls import Shape
from sluice_gateway.limits.expected import PRIOR
from sluice_gateway.normal.estimate import A_PAGE, A_PICTURE, PAGE_BYTES
from sluice_gateway.normal.usage import MOST_TOKENS
from sluice_gateway.providers.provider import Traits
from sluice_gateway.routing.needs import Needs, field_of, lacking, needs_of
from tests.support.plans import call_of, said

CHAT, MESSAGES, RESPONSES = Shape.CHAT, Shape.MESSAGES, Shape.RESPONSES
TOOL = {"type": "function", "function": {"name": "f"}}
PICTURE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}


def turn(*parts: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(parts)}]}


@pytest.mark.parametrize(
    ("shape", "document", "capabilities"),
    [
        (CHAT, {"messages": [{"role": "user", "content": "hi"}]}, ()),
        (CHAT, {"tools": [TOOL]}, ("tools",)),
        (CHAT, {"tools": []}, ()),
        (CHAT, {"functions": [{"name": "f"}]}, ("tools",)),
        (CHAT, turn({"type": "text", "text": "hi"}), ()),
        (CHAT, turn({"type": "text", "text": "hi"}, PICTURE), ("vision",)),
        (CHAT, turn(None, PICTURE), ("vision",)),
        (CHAT, turn({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}}), ("audio",)),
        (CHAT, {"modalities": ["text", "audio"]}, ("audio",)),
        (CHAT, {"modalities": ["text"]}, ()),
        (CHAT, {"response_format": SCHEMA}, ("json",)),
        (CHAT, {"response_format": {"type": "json_object"}}, ("json",)),
        (CHAT, {"response_format": {"type": "text"}}, ()),
        (CHAT, {"tools": [TOOL], "response_format": SCHEMA} | turn(PICTURE), ("tools", "vision", "json")),
        (MESSAGES, turn({"type": "image", "source": {"type": "url", "url": "https://example.com"}}), ("vision",)),
        (
            MESSAGES,
            turn({"type": "tool_result", "tool_use_id": "t", "content": [{"type": "image", "source": {}}]}),
            ("vision",),
        ),
        (MESSAGES, turn({"type": "tool_result", "tool_use_id": "t", "content": "plain"}), ()),
        (MESSAGES, {"output_config": {"format": {"type": "json_schema"}}}, ("json",)),
        (MESSAGES, {"output_config": {"effort": "high"}}, ()),
        (Shape.COUNT_TOKENS, turn({"type": "image", "source": {}}), ("vision",)),
        (RESPONSES, {"input": "hi"}, ()),
        (RESPONSES, {"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, ("vision",)),
        (RESPONSES, {"input": [{"type": "function_call_output", "output": [{"type": "input_image"}]}]}, ("vision",)),
        (RESPONSES, {"text": {"format": {"type": "json_schema"}}}, ("json",)),
        (RESPONSES, {"text": {"verbosity": "low"}}, ()),
        (Shape.EMBEDDINGS, {"input": "hi"}, ("embeddings",)),
        (Shape.COMPLETIONS, {"prompt": "hi"}, ()),
        (Shape.COMPLETIONS, {"prompt": "hi", "response_format": SCHEMA}, ()),
    ],
)
def test_capabilities(shape: Shape, document: dict[str, Any], capabilities: tuple[str, ...]) -> None:
    assert needs_of(call_of(document, shape)).capabilities() == capabilities


@pytest.mark.parametrize(
    "document",
    [
        {"messages": "no list"},
        {"messages": ["no object", {"role": "user"}, {"content": {"type": "image"}}, {"content": ["text", None]}]},
        {"response_format": "json"},
        {"modalities": "audio"},
        {"max_tokens": "many", "n": True},
    ],
)
def test_what_is_not_as_it_should_be_needs_nothing(document: dict[str, Any]) -> None:
    needs = needs_of(call_of(document))
    assert (needs.capabilities(), needs.max_output) == ((), PRIOR)


def test_a_stream_is_needed_where_it_is_asked_for() -> None:
    assert needs_of(said("hi", stream=True)).stream is True
    assert needs_of(said("hi")).stream is False


def test_prompts_have_a_token_for_four_bytes_rounded_up_and_times_the_ratio() -> None:
    call = said("hello")
    size = len(call.body)
    assert needs_of(call).prompt_tokens == -(-size // 4)
    assert needs_of(call, 2.0).prompt_tokens == -(-size // 2)


@pytest.mark.parametrize(
    ("shape", "member", "document"),
    [
        (CHAT, "max_tokens", {}),
        (CHAT, "max_completion_tokens", {"max_tokens": 9}),
        (Shape.COMPLETIONS, "max_tokens", {}),
        (MESSAGES, "max_tokens", {}),
        (RESPONSES, "max_output_tokens", {}),
    ],
)
def test_the_callers_bound_is_what_an_answer_takes_at_most(shape: Shape, member: str, document: dict[str, Any]) -> None:
    needs = needs_of(call_of(document | {member: 700}, shape), expected_output=300)
    assert (needs.max_output, needs.likely_output) == (700, 300)
    assert needs.window == needs.prompt_tokens + 700
    for least in (20, 1):
        needs = needs_of(call_of(document | {member: least}, shape), expected_output=300)
        assert (needs.max_output, needs.likely_output) == (least, least)


@pytest.mark.parametrize("bound", [None, 0, -1, True, 1.5, "5"])
def test_without_a_bound_an_answer_takes_what_is_expected(bound: object) -> None:
    needs = needs_of(said("hi", max_tokens=bound), expected_output=300)
    assert (needs.max_output, needs.likely_output, needs.window) == (300, 300, needs.prompt_tokens + 300)


@pytest.mark.parametrize(("n", "times"), [(1, 1), (2, 2), (3, 3), (0, 1), (-2, 1), (True, 1), ("2", 1)])
def test_several_answers_take_as_often_as_much_but_each_has_its_window(n: object, times: int) -> None:
    needs = needs_of(said("hi", max_tokens=70, n=n), expected_output=30)
    assert (needs.max_output, needs.likely_output) == (70 * times, 30 * times)
    assert needs.window == needs.prompt_tokens + 70


@pytest.mark.parametrize(
    ("document", "times"),
    [
        ({"best_of": 5}, 5),
        ({"best_of": 5, "n": 2}, 5),
        ({"best_of": 1, "n": 2}, 2),
        ({"prompt": "one"}, 1),
        ({"prompt": []}, 1),
        ({"prompt": ["one"]}, 1),
        ({"prompt": [1, 2, 3]}, 1),
        ({"prompt": ["one", "two", "three"]}, 3),
        ({"prompt": [[1, 2], [3]], "n": 2, "best_of": 3}, 6),
    ],
)
def test_completions_are_made_for_each_prompt_and_more_than_are_given(document: dict[str, Any], times: int) -> None:
    needs = needs_of(call_of(document | {"max_tokens": 70}, Shape.COMPLETIONS))
    assert needs.max_output == 70 * times
    assert needs_of(said("hi", max_tokens=70, **document)).max_output == 70 * document.get("n", 1)


@pytest.mark.parametrize(
    ("document", "tokens"),
    [
        ({"max_tokens": MOST_TOKENS - 1}, MOST_TOKENS - 1),
        ({"max_tokens": MOST_TOKENS + 1}, MOST_TOKENS),
        ({"max_tokens": 10**4000, "n": 10**4000}, MOST_TOKENS),
        ({"max_tokens": 1, "n": 10**4000}, MOST_TOKENS),
        ({"n": 10**4000}, MOST_TOKENS),
    ],
)
def test_no_number_is_larger_than_a_counter_can_count(document: dict[str, Any], tokens: int) -> None:
    needs = needs_of(said("hi", **document))
    assert needs.max_output == tokens
    assert needs.likely_output <= MOST_TOKENS
    assert needs.window <= needs.prompt_tokens + MOST_TOKENS


@pytest.mark.parametrize("shape", [Shape.EMBEDDINGS, Shape.COUNT_TOKENS])
def test_what_has_no_answer_takes_no_tokens_for_it(shape: Shape) -> None:
    needs = needs_of(call_of({"input": "hi", "max_tokens": 70, "n": 3}, shape))
    assert (needs.max_output, needs.likely_output, needs.window) == (0, 0, needs.prompt_tokens)


@pytest.mark.parametrize(
    ("shape", "document"),
    [
        (CHAT, turn({"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 40_000}})),
        (MESSAGES, turn({"type": "image", "source": {"type": "base64", "data": "A" * 40_000}})),
        (
            RESPONSES,
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "data:;" + "A" * 40_000}]}]},
        ),
    ],
)
def test_a_picture_counts_as_one_whatever_its_bytes(shape: Shape, document: dict[str, Any]) -> None:
    around = len(json.dumps({"model": "chat"} | document)) - 40_000
    assert A_PICTURE < needs_of(call_of(document, shape)).prompt_tokens <= A_PICTURE + around / 4 + 1


@pytest.mark.parametrize("more", ["", "x", "xx", "xxx"])
def test_the_address_of_a_picture_is_words(more: str) -> None:
    call = call_of(turn(PICTURE) | {"user": more})
    assert needs_of(call).prompt_tokens == -(-len(call.body) // 4) + A_PICTURE


def test_sound_counts_by_its_length_and_a_file_by_its_pages() -> None:
    sound = call_of(turn({"type": "input_audio", "input_audio": {"data": "A" * 40_000}}))
    words = (len(sound.body) - 40_000) / 4
    assert needs_of(sound).prompt_tokens == pytest.approx(words + 60, abs=1)  # of 30,000 bytes, 500 a token
    sounds = call_of(turn(*[{"type": "input_audio", "input_audio": {"data": "A" * 40_600}}] * 2))
    assert needs_of(sounds).prompt_tokens == ceil((len(sounds.body) - 81_200) / 4 + 2 * 60.9)
    size = PAGE_BYTES * 4 // 3
    for extra, pages in ((-4, 1), (0, 1), (4, 2)):
        file = call_of(turn({"type": "file", "file": {"file_data": "A" * (size + extra)}}))
        words = (len(file.body) - size - extra) / 4
        assert needs_of(file).prompt_tokens == pytest.approx(words + A_PAGE * pages, abs=1)
    assert needs_of(call_of(turn({"type": "file", "file": {"file_id": "f"}}))).prompt_tokens > A_PAGE


COMPLETE = Traits(capabilities=frozenset({"chat", "tools"}), complete=True)
CATALOGUED = COMPLETE._replace(complete=False)
EMBEDS = Traits(capabilities=frozenset({"embeddings"}))


@pytest.mark.parametrize(
    ("needed", "embeddings", "traits", "lack"),
    [
        (("tools",), False, COMPLETE, ""),
        (("tools", "vision", "json"), False, COMPLETE, "vision"),
        (("tools", "vision"), False, CATALOGUED, ""),
        (("vision",), False, Traits(), ""),
        (("embeddings",), True, Traits(), ""),
        (("embeddings",), True, EMBEDS, ""),
        (("embeddings",), True, CATALOGUED, "embeddings"),
        (("embeddings",), True, COMPLETE, "embeddings"),
        ((), False, EMBEDS, "chat"),
        ((), False, EMBEDS._replace(capabilities=frozenset({"chat", "embeddings"})), ""),
        ((), False, Traits(capabilities=frozenset({"tools"}), complete=True), ""),
    ],
)
def test_what_is_lacking_is_what_is_known_to_be(
    needed: tuple[str, ...], embeddings: bool, traits: Traits, lack: str
) -> None:
    assert lacking(needed, embeddings, traits) == lack


@pytest.mark.parametrize(
    ("capability", "shape", "field"),
    [
        ("tools", CHAT, "tools"),
        ("json", CHAT, "response_format"),
        ("json", MESSAGES, "output_config.format"),
        ("json", RESPONSES, "text.format"),
        ("vision", CHAT, "messages"),
        ("audio", RESPONSES, "input"),
        ("vision", Shape.COMPLETIONS, "model"),
        ("embeddings", Shape.EMBEDDINGS, "model"),
        ("chat", CHAT, "model"),
    ],
)
def test_errors_name_the_field_that_asks(capability: str, shape: Shape, field: str) -> None:
    assert field_of(capability, shape) == field


def test_capabilities_stand_in_the_order_of_their_fields() -> None:
    assert Needs(True, True, True, True, True).capabilities() == ("tools", "vision", "json", "audio", "embeddings")
    for name in ("tools", "vision", "json", "audio", "embeddings"):
        assert Needs()._replace(**{name: True}).capabilities() == (name,)
    assert Needs(stream=True, prompt_tokens=5).capabilities() == ()
    assert Needs() == (False,) * 6 + (0,) * 4
