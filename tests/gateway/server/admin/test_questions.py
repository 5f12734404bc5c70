"""Bodies of admin requests: what is not exactly right is refused by name."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice_gateway.calls import Shape
from sluice_gateway.errors import CallerError, InvalidJSON, ParameterOutOfRange
from sluice_gateway.server.admin.questions import Override, Question, read_override, read_question

OPEN: dict[str, Any] = {"provider": "default/openai", "model": "gpt", "seconds": 60}
FIELDS = st.sampled_from(["provider", "model", "seconds", "request", "shape", "strategy", "consumer"])
HELLO = b'{"model": "chat", "messages": [{"role": "user", "content": "Hello"}]}'


def override(timed: bool = True, **said: Any) -> Override:
    return read_override(json.dumps(said).encode(), timed=timed)


def test_an_override_of_one_model_and_of_all() -> None:
    assert override(**OPEN) == Override("default/openai", "gpt", 60)
    assert override(provider="default/openai", seconds=1) == Override("default/openai", None, 1)
    assert override(provider="a/b", model=None, seconds=86_400) == Override("a/b", None, 86_400)
    assert override(timed=False, provider="a/b") == Override("a/b", None, 0)


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"provider": None}, "provider"),
        ({"provider": ""}, "provider"),
        ({"provider": 5}, "provider"),
        ({"provider": "a/b\n"}, "provider"),
        ({"provider": "a/" + "b" * 319}, "provider"),
        ({"model": ""}, "model"),
        ({"model": ["gpt"]}, "model"),
        ({"model": "x" * 257}, "model"),
        ({"model": "\x1b[2J"}, "model"),
        ({"seconds": None}, "seconds"),
        ({"seconds": "60"}, "seconds"),
        ({"seconds": 1.5}, "seconds"),
        ({"seconds": True}, "seconds"),
        ({"reason": "why"}, "reason"),
        ({"Provider": "a/b"}, "Provider"),
        ({"x" * 100: 1}, "x" * 64),
    ],
)
def test_what_is_not_right_is_named(changes: dict[str, Any], param: str) -> None:
    with pytest.raises(CallerError) as raised:
        override(**OPEN | changes)
    assert (raised.value.code, raised.value.param) == ("invalid_request", param)


@pytest.mark.parametrize("seconds", [0, -1, 86_401, 10**30])
def test_a_time_out_of_range_is_refused(seconds: int) -> None:
    with pytest.raises(ParameterOutOfRange, match="from 1 to 86400"):
        override(**OPEN | {"seconds": seconds})


def test_names_of_the_greatest_length_pass() -> None:
    assert override(provider="p" * 320, model="m" * 256, seconds=1) == Override("p" * 320, "m" * 256, 1)


def test_a_time_is_refused_where_none_is_asked_for() -> None:
    with pytest.raises(CallerError, match="no field 'seconds', only provider, model"):
        override(timed=False, **OPEN)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"provider": NaN}', b"[" * 100_000])
def test_what_is_no_json_is_told(body: bytes) -> None:
    with pytest.raises(InvalidJSON):
        read_override(body, timed=True)


@pytest.mark.parametrize("body", [b"[]", b"null", b'"x"', b"5"])
def test_what_is_no_object_is_told(body: bytes) -> None:
    with pytest.raises(CallerError, match="must be a JSON object"):
        read_override(body, timed=True)


def test_a_question_has_the_request_byte_for_byte() -> None:
    assert read_question(b'{"request":' + HELLO + b"}") == Question(HELLO, Shape.CHAT, "", "anonymous")
    more = b', "shape": "messages", "strategy": "cost", "consumer": "team-a"}'
    assert read_question(b'{"request": ' + HELLO + more) == Question(HELLO, Shape.MESSAGES, "cost", "team-a")


@pytest.mark.parametrize(
    ("said", "param"),
    [
        ({}, "request"),
        ({"request": None}, "request"),
        ({"request": "{}"}, "request"),
        ({"request": []}, "request"),
        ({"request": {}, "shape": "soap"}, "shape"),
        ({"request": {}, "shape": 5}, "shape"),
        ({"request": {}, "strategy": "x" * 254}, "strategy"),
        ({"request": {}, "consumer": {}}, "consumer"),
        ({"request": {}, "model": "chat"}, "model"),
    ],
)
def test_a_question_that_is_not_right_is_told(said: dict[str, Any], param: str) -> None:
    with pytest.raises(CallerError) as raised:
        read_question(json.dumps(said).encode())
    assert raised.value.param == param


def test_half_a_character_in_a_request_is_not_carried_on() -> None:
    with pytest.raises(InvalidJSON):
        read_question(b'{"request": {"model": "chat", "user": "\\ud800"}}')


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS | st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=50)
@given(st.dictionaries(FIELDS, ANYTHING, max_size=4) | ANYTHING | st.binary(max_size=30))
def test_whatever_comes_is_read_or_refused(said: Any) -> None:
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    for read in (read_question, lambda body: read_override(body, timed=True)):
        with contextlib.suppress(CallerError):
            read(body)
