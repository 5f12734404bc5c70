"""What becomes of parameters that a wire shape can't take, under each policy."""

from typing import Any

import pytest

from sluice_gateway.errors import CallerError, ParameterOutOfRange, UnsupportedParameter
from sluice_gateway.normal.parts import Text
from sluice_gateway.normal.requests import ChatRequest, Message
from sluice_gateway.providers.parameters import Parameters, asks_for_nothing, fit

SHAPE = Parameters(
    unsupported=frozenset({"seed", "n", "logit_bias", "modalities", "top_k"}),
    ranges={"temperature": (0.0, 1.0), "max_tokens": (1, 8)},
    most_stops=2,
    extra=frozenset({"thinking"}),
)


def request(**fields: Any) -> ChatRequest:
    return ChatRequest(messages=(Message(role="user", parts=(Text(text="Hi"),)),), **fields)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"n": 1, "logit_bias": {}, "modalities": ("text",)},
        {"temperature": 1, "max_tokens": 8, "stop": ("a", "b")},
        {"temperature": 0.0, "extra": {"thinking": {"type": "enabled"}}},
    ],
)
@pytest.mark.parametrize("policy", ["strict", "clamp", "drop"])
def test_what_fits_stays_the_very_same(fields: dict[str, Any], policy: Any) -> None:
    asked = request(**fields)
    assert fit(asked, SHAPE, policy, "acme") is asked


@pytest.mark.parametrize(
    ("fields", "error", "param", "message"),
    [
        ({"seed": 7}, UnsupportedParameter, "seed", "acme has no seed"),
        ({"seed": 0}, UnsupportedParameter, "seed", "acme has no seed"),
        ({"n": 2}, UnsupportedParameter, "n", "acme has no n"),
        ({"top_k": 5, "names": {"top_k": "topK"}}, UnsupportedParameter, "topK", "acme has no topK"),
        ({"extra": {"min_p": 0.1}}, UnsupportedParameter, "min_p", "acme has no min_p"),
        ({"temperature": 1.5}, ParameterOutOfRange, "temperature", "temperature must be from 0 to 1 for acme"),
        (
            {"max_tokens": 9, "names": {"max_tokens": "max_output_tokens"}},
            ParameterOutOfRange,
            "max_output_tokens",
            "max_output_tokens must be from 1 to 8 for acme",
        ),
        ({"stop": ("a", "b", "c")}, ParameterOutOfRange, "stop", "stop must have at most 2 items for acme"),
    ],
)
def test_strict_names_the_callers_own_field(
    fields: dict[str, Any], error: type[CallerError], param: str, message: str
) -> None:
    with pytest.raises(error) as refused:
        fit(request(**fields), SHAPE, "strict", "acme")
    assert (refused.value.param, refused.value.message, refused.value.status) == (param, message, 400)


@pytest.mark.parametrize(
    ("fields", "clamped", "dropped"),
    [
        ({"temperature": 1.5}, {"temperature": 1.0}, {"temperature": None}),
        ({"temperature": -1}, {"temperature": 0}, {"temperature": None}),
        ({"max_tokens": 9}, {"max_tokens": 8}, {"max_tokens": None}),
        ({"stop": ("a", "b", "c")}, {"stop": ("a", "b")}, {"stop": ()}),
        ({"seed": 7}, {"seed": None}, {"seed": None}),
        ({"modalities": ("text", "audio")}, {"modalities": ()}, {"modalities": ()}),
        ({"extra": {"min_p": 0.1, "thinking": {}}}, {"extra": {"thinking": {}}}, {"extra": {"thinking": {}}}),
    ],
)
def test_clamp_brings_into_range_and_drop_takes_out(
    fields: dict[str, Any], clamped: dict[str, Any], dropped: dict[str, Any]
) -> None:
    assert fit(request(**fields), SHAPE, "clamp", "acme") == request(**clamped)
    assert fit(request(**fields), SHAPE, "drop", "acme") == request(**dropped)


def test_a_whole_number_stays_whole_when_it_is_clamped() -> None:
    clamped = fit(request(max_tokens=9), SHAPE, "clamp", "acme").max_tokens
    assert type(clamped) is int


@pytest.mark.parametrize(
    ("name", "value", "nothing"),
    [
        ("n", 1, True),
        ("n", 2, False),
        ("logprobs", False, True),
        ("logprobs", True, False),
        ("tool_choice", "auto", True),
        ("tool_choice", "required", False),
        ("parallel_tool_calls", True, True),
        ("parallel_tool_calls", False, False),
        ("seed", None, True),
        ("seed", 0, False),
        ("stop", [], True),
        ("user", "u-1", True),
        ("metadata", {"a": 1}, True),
    ],
)
def test_values_that_ask_for_nothing_may_be_left_out(name: str, value: object, nothing: bool) -> None:
    assert asks_for_nothing(name, value) is nothing


def test_a_whole_number_is_brought_to_a_bound_that_is_none() -> None:
    shape = Parameters(ranges={"top_p": (0.01, 0.99), "temperature": (0.0, 2.0)})
    fitted = fit(request(top_p=1, temperature=3), shape, "clamp", "acme")
    assert (fitted.top_p, fitted.temperature) == (0.99, 2)
    assert type(fitted.temperature) is int
