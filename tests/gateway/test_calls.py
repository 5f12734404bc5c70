"""A request body is read once and relayed byte for byte but for the value of model."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_gateway.calls import MAX_DEPTH, Shape, parse
from sluice_gateway.errors import CallerError, InvalidJSON

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["model", "x", 'a"model', "é"]) | st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=12,
)


def test_the_facts_that_routing_needs_are_read() -> None:
    call = parse(b'{"model": "chat", "stream": true, "messages": []}')
    assert (call.model, call.stream, call.document["messages"]) == ("chat", True, [])


@pytest.mark.parametrize("stream", ["false", "null"])
def test_a_stream_is_only_what_asks_for_one(stream: str) -> None:
    assert parse(f'{{"model": "chat", "stream": {stream}}}'.encode()).stream is False


@pytest.mark.parametrize(
    ("body", "result"),
    [
        pytest.param(b'{"model":"a","n":1.10}', b'{"model":"b","n":1.10}', id="digits stay"),
        pytest.param(
            b'{ "z" : 1 ,\n"model"\t:  "a" }', b'{ "z" : 1 ,\n"model"\t:  "b" }', id="white space and order stay"
        ),
        pytest.param(
            b'{"x":{"model":"a"},"model":"a"}', b'{"x":{"model":"a"},"model":"b"}', id="a nested model is not ours"
        ),
        pytest.param(
            b'{"x":"\\"model\\":\\"a\\"","model":"a"}',
            b'{"x":"\\"model\\":\\"a\\"","model":"b"}',
            id="nor one inside a string",
        ),
        pytest.param(b'{"x":"model","model":"a"}', b'{"x":"model","model":"b"}', id="nor a value"),
        pytest.param(
            b'{"mod\\u0065l":"a","x":{"model":"a"}}',
            b'{"mod\\u0065l":"b","x":{"model":"a"}}',
            id="an escaped key is found",
        ),
        pytest.param(b'{"model":"\\u0061"}', b'{"model":"b"}', id="an escaped value is replaced whole"),
        pytest.param(
            b'{"x":[{"model":1}],"model":"a","y":"}{"}',
            b'{"x":[{"model":1}],"model":"b","y":"}{"}',
            id="brackets in strings don't count",
        ),
    ],
)
def test_only_the_value_of_model_changes(body: bytes, result: bytes) -> None:
    assert parse(body).body_for("b") == result


def test_the_same_name_leaves_the_body_as_it_is() -> None:
    body = b'{"model":"a"}'
    assert parse(body).body_for("a") is body


def test_a_name_is_written_as_json() -> None:
    assert parse(b'{"model":"a"}').body_for('b"\\é') == '{"model":"b\\"\\\\é"}'.encode()


@pytest.mark.parametrize(
    "body", [b'{"model":"a","model":"b"}', b'{"model":1,"model":"b"}', b'{"m\\u006fdel":"a","model":"b"}']
)
def test_model_twice_is_refused(body: bytes) -> None:
    call = parse(body)
    with pytest.raises(CallerError, match="more than once") as caught:
        call.body_for("c")
    assert caught.value.param == "model"


def test_model_twice_is_refused_even_when_the_name_stays() -> None:
    with pytest.raises(CallerError, match="more than once"):
        parse(b'{"model":"a","model":"b"}').body_for("b")


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4), st.text(min_size=1, max_size=20), st.booleans())
def test_any_body_keeps_its_other_members(document: dict[str, object], name: str, ascii_only: bool) -> None:
    body = json.dumps(document | {"model": "asked"}, ensure_ascii=ascii_only).encode()
    sent = json.loads(parse(body).body_for(name))
    assert sent == json.loads(body) | {"model": name}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b'{"model": "a"} trailing', "not valid JSON"),
        (b'{"model": NaN}', "not valid JSON"),
        (b'{"model": "\xff"}', "not valid JSON"),
        (b'{"model":"a","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "more than 256 levels"),
    ],
)
def test_what_is_not_json_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(InvalidJSON, match=message):
        parse(body)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"[]", None),
        (b'"text"', None),
        (b"{}", "model"),
        (b'{"model": ""}', "model"),
        (b'{"model": 5}', "model"),
        (b'{"model": null}', "model"),
        (b'{"model": "' + b"x" * 257 + b'"}', "model"),
        (b'{"model": "a", "stream": "yes"}', "stream"),
        (b'{"model": "a", "stream": 1}', "stream"),
    ],
)
def test_what_no_call_can_lack_is_asked_for(body: bytes, param: str | None) -> None:
    with pytest.raises(CallerError) as caught:
        parse(body)
    assert (caught.value.status, caught.value.param) == (400, param)


def test_nesting_is_bounded_the_same_on_every_interpreter() -> None:
    def nested(depth: int) -> bytes:
        return b'{"model":"a","x":' + b'[{"y":' * (depth // 2) + b"1" + b"}]" * (depth // 2) + b"}"

    assert parse(nested(MAX_DEPTH - 1)).model == "a"
    with pytest.raises(InvalidJSON, match="more than 256 levels"):
        parse(nested(MAX_DEPTH + 2))


def test_brackets_that_are_many_or_in_strings_are_no_nesting() -> None:
    wide = b'{"model":"a","x":[' + b"[]," * 5000 + b'{}], "text":"' + b"[{" * 5000 + b'\\""}'
    assert parse(wide).body_for("b") == wide.replace(b'"a"', b'"b"')


@pytest.mark.timeout(10)
def test_the_longest_of_prompts_is_read_in_linear_time() -> None:
    text = (b'say \\"model\\" \\n {[' * 600_000)[:12_000_000].rstrip(b"\\")
    body = b'{"x":"model","messages":[' + b"{}," * 300 + b'{"content":"' + text + b'"}],"model":"a"}'
    assert parse(body).body_for("b").endswith(b'"model":"b"}')


@pytest.mark.parametrize("key", ["Model", "MODEL", "mOdel", "\\u004dodel"])
def test_model_in_another_spelling_is_refused(key: str) -> None:
    with pytest.raises(CallerError, match="spellings") as caught:
        parse(f'{{"model": "cheap", "{key}": "dear"}}'.encode())
    assert caught.value.param == "model"


HALVES = [b"\\ud83d", b"cut \\uD83D.", b"\\ude00\\ud83d", b"\\ud83d\\u0041", b"\\\\\\udfff", b"\\ud83d\\ud83d\\ude00"]


@pytest.mark.parametrize("half", HALVES)
def test_half_of_a_character_is_passed_on(half: bytes) -> None:
    body = b'{"messages":[{"content":"%b","\\ud800":1}],"model":"a","x":{"model":"a"},"n":1.50}' % half
    call = parse(body)
    assert (call.model, call.document["messages"][0]["content"]) == ("a", json.loads(b'"%b"' % half))
    assert call.body_for("b") == body.replace(b'"model":"a","x"', b'"model":"b","x"')
    assert call.body_for("a") == body


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"a","x":"\\ud800","y":NaN}',
        b'{"model":"a","x":"\\ud800","y":-Infinity}',
        b'{"model":"a","x":"\\ud800","y":1e999}',
        b'{"model":"a","x":"\\ud800\xff"}',
        b'{"model":"a","x":"\\ud800\xed\xa0\x80"}',
        b'{"model":"a","x":"\\ud800\n"}',
        b'{"model":"a","x":"\\ud800"} trailing',
        b'\xef\xbb\xbf{"model":"a","x":"\\ud800"}',
        '{"model":"a","x":"\\ud800"}'.encode("utf-16"),
        b'{"model":"a","x":"\\ud800","y":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"model":"a","x":"\\ud800","y":' + b"[" * 300 + b"]" * 300 + b"}",
        b'{"model":"a","mod\\ud800el":"b"}',
        b'{"model":"a","\\udfff":"b"}',
    ],
)
def test_half_of_a_character_opens_no_way_for_anything_else(body: bytes) -> None:
    with pytest.raises(InvalidJSON):
        parse(body)


@pytest.mark.parametrize(
    "rest",
    [b'"model":"\\ud800"', b'"model":"a","Model":"b"', b'"model":"a","\\u004dodel":"b"', b'"model":null', b'"y":1'],
)
def test_half_of_a_character_changes_nothing_about_model(rest: bytes) -> None:
    with pytest.raises(CallerError) as caught:
        parse(b'{"x":"\\ud800",%b}' % rest)
    assert caught.value.param == "model"


def test_half_of_a_character_does_not_hide_a_second_model() -> None:
    call = parse(b'{"x":"\\ud800","model":"a","mod\\u0065l":"b"}')
    with pytest.raises(CallerError, match="more than once"):
        call.body_for("b")


@pytest.mark.parametrize("shape", Shape)
def test_only_what_has_a_stream_is_streamed(shape: Shape) -> None:
    streams = parse(b'{"model":"a","stream":true}', shape).stream
    assert streams is (shape not in {Shape.EMBEDDINGS, Shape.COUNT_TOKENS})
