"""Telling when an object that comes in pieces is a whole."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_gateway.dialects.partial_json import PartialObject

objects = st.dictionaries(
    st.text(max_size=4), st.recursive(st.text('\\"{}[]a', max_size=6), lambda inner: st.lists(inner, max_size=2))
)


@given(objects, st.booleans())
def test_it_is_a_whole_at_its_last_bracket_and_not_before(value: dict[str, Any], asks: bool) -> None:
    text = json.dumps(value)
    partial = PartialObject()
    for sign in text[:-1]:
        partial.feed(sign)
        assert not (asks and partial.complete())
    partial.feed(text[-1])
    assert partial.complete()
    partial.feed(" \n")
    assert partial.complete()


@pytest.mark.parametrize("text", ["", " ", '"{}"', "null", "12"])
def test_what_has_no_bracket_is_never_a_whole(text: str) -> None:
    partial = PartialObject()
    partial.feed(text)
    assert not partial.complete()
