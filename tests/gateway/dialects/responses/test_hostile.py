"""Whatever callers and providers of /v1/responses send: a refusal that names the place, an answer, or one failure."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response

from sluice_gateway import sse
from sluice_gateway.calls import Shape
from sluice_gateway.dialects.dialect import Asked
from sluice_gateway.dialects.responses.dialect import ResponsesDialect
from sluice_gateway.errors import CallerError
from sluice_gateway.normal.answers import ChatAnswer, Choice
from sluice_gateway.normal.parts import Text
from sluice_gateway.normal.requests import ChatRequest
from tests.support.responses_events import fold
from tests.support.translations import Translation

DIALECT = ResponsesDialect()
FOLDER = Path(__file__).resolve().parents[3] / "golden"
RECORDED = sorted(FOLDER.glob("*/*/stream-*.in.sse"))
WHOLE = sorted(FOLDER.glob("providers/*/response-*.in.json"))
OWN = [file for file in RECORDED if file.parent.name == "responses"]
BODIES = [json.loads(file.read_bytes())["body"] for file in FOLDER.glob("dialects/responses/request-*.in.json")]
ANSWER = ChatAnswer(choices=(Choice(parts=(Text(text="Hi"),)),))

_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.text(max_size=3)
    | st.sampled_from(["function", "user", "\ud800"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["type", "role", "content", "text", "id"]), inner, max_size=3)
    ),
    max_leaves=4,
)


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Where anything stands in a document."""
    found = [path] if path else []
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in members:
        found += places(inner, (*path, key))
    return found


@st.composite
def spoilt(draw: st.DrawFn) -> dict[str, Any]:
    """A request with something else in one of its places."""
    body: dict[str, Any] = copy.deepcopy(draw(st.sampled_from(BODIES)))
    *way, last = draw(st.sampled_from(places(body)))
    holder: Any = body
    for key in way:
        holder = holder[key]
    holder[last] = draw(_values)
    return body


def read(body: dict[str, Any]) -> ChatRequest | CallerError:
    try:
        return DIALECT.read(body)
    except CallerError as error:
        return error


@given(spoilt())
def test_any_request_is_read_or_refused_and_what_is_read_can_be_answered(body: dict[str, Any]) -> None:
    result = read(body)
    if isinstance(result, CallerError):
        assert (result.status, type(result.param)) == (400, str)
        return
    asked = Asked(document=body, model="m", id="req_1", created=7)
    assert json.loads(DIALECT.answer(ANSWER, asked))["status"] == "completed"


def answered(file: Path, data: bytes) -> bytes:
    """What a caller of this shape gets of a provider's stream, recorded for whichever test."""
    vendor = file.parent.name if file.parent.parent.name == "providers" else "openai"
    return Translation(vendor, Shape.RESPONSES).stream(data)


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_streams_of_all_providers_add_up_to_their_last_answer(file: Path) -> None:
    fold(answered(file, file.read_bytes()))


@pytest.mark.parametrize("file", WHOLE, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_answers_of_all_providers_are_read_by_the_sdk(file: Path) -> None:
    told = Translation(file.parent.name, Shape.RESPONSES).run(file)
    if json.loads(told).keys().isdisjoint(("fault", "bad")):
        Response.model_validate_json(told, strict=True)


@pytest.mark.parametrize("file", OWN, ids=lambda file: file.name)
def test_a_stream_that_ends_anywhere_is_well_formed(file: Path) -> None:
    frames = sse.split(file.read_bytes())
    for count in range(len(frames)):
        fold(answered(file, b"".join(frames[:count])))
