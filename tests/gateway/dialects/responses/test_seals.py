"""What seals reasoning, as text that callers of /v1/responses keep."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_gateway.dialects.responses.seals import (
    Seal,
    Sealing,
    call_seal,
    opened,
    thought_seal,
    without_ours,
    words_seal,
)

_origins = st.sampled_from(["anthropic", "google", "a.b", "my-wire", ""])


@given(st.text(min_size=1), _origins)
def test_what_was_sealed_can_be_opened(value: str, origin: str) -> None:
    assert opened(thought_seal(value, None, origin) or "") == Seal(Sealing.SIGNATURE, origin, value)
    assert opened(thought_seal(None, value, origin) or "") == Seal(Sealing.ENCRYPTED, origin, value)
    assert opened(call_seal("call_1", value, origin)) == Seal(Sealing.CALL, origin, f"call_1 {value}")
    assert opened(words_seal(origin)) == Seal(Sealing.WORDS, origin, "")


def test_a_thought_of_mere_words_has_no_seal() -> None:
    assert thought_seal(None, None, "google") is None
    assert thought_seal("", "", "google") is None


def test_encrypted_reasoning_goes_before_a_signature() -> None:
    assert thought_seal("s", "e", "google") == "sluice.google.encrypted.e"


@pytest.mark.parametrize(
    "text", ["", "gAAAAABo", "sluice", "sluice.google", "sluice.google.other.x", "xsluice.a.call.b"]
)
def test_other_texts_are_of_providers_that_speak_this_shape(text: str) -> None:
    assert opened(text) == Seal(Sealing.ENCRYPTED, "responses", text)


def relayed(*items: Any) -> Any:
    """What is left of a request on its way to a provider that speaks this shape."""
    document = {"model": "chat", "input": list(items), "seed": 1.50}
    return json.loads(without_ours(json.dumps(document).encode(), document))["input"]


def test_a_provider_of_this_shape_gets_none_of_our_seals() -> None:
    mine = [{"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": words_seal("google")}]
    theirs = [{"role": "user", "content": "sluice.a.call.b"}, {"type": "reasoning", "encrypted_content": "gAAAAABo"}]
    assert relayed(*theirs, *mine, "sluice.", None) == [*theirs, "sluice.", None]


def test_what_holds_no_seal_is_relayed_byte_for_byte() -> None:
    for document in (
        {"model": "chat", "input": '"sluice.'},
        {"model": "chat", "input": [{"role": "user", "content": '"sluice.a.call.b"'}]},
        {"model": "chat", "input": [{"type": "reasoning", "encrypted_content": "sluice.other"}]},
        {"model": "chat"},
    ):
        body = json.dumps(document, indent=1).encode()
        assert without_ours(body, document) is body
