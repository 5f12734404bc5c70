"""YAML text to documents and lines: what is read, what is refused, and that no refusal repeats the text."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_gateway.sources.documents import DEEPEST, MOST_ALIASED, Document, InvalidYAML, cut, decode, parse
from tests.support.canary import CANARY


def values(text: str) -> list[object]:
    return [document.value for document in parse(text)]


def refusal(text: str) -> tuple[int, str]:
    with pytest.raises(InvalidYAML) as caught:
        parse(text)
    return caught.value.line, caught.value.reason


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1", {"a": 1}),
        ("a: '1'", {"a": "1"}),
        ('a: "yes"', {"a": "yes"}),
        ("a: !!str 017", {"a": "017"}),
        ("a: ! 12", {"a": "12"}),
        ("a: !!int '12'", {"a": 12}),
        ("a: !!float 3", {"a": 3}),
        ("a: !vault text", {"a": "text"}),
        ("!custom {a: [1]}", {"a": [1]}),
        ("a: |\n  x\n  y\n", {"a": "x\ny\n"}),
        ("a: >-\n  x\n  y\n", {"a": "x y"}),
        ("a:\n- 1\n- 2\n", {"a": [1, 2]}),
        ("a: \tb", {"a": "b"}),
        ('{\n\t"a":\t[1, true, null, "\\/"]\n}', {"a": [1, True, None, "/"]}),
        ("1: a\ntrue: b\n", {"1": "a", "true": "b"}),
        ("on: x", {"true": "x"}),
        ("? a\n: b", {"a": "b"}),
        ("a: &x [1]\nb: *x", {"a": [1], "b": [1]}),
        ("&k a: 1\nb: *k", {"a": 1, "b": "a"}),
        ("base: &b {x: 1, z: 2}\nc:\n  x: 3\n  <<: *b", {"base": {"x": 1, "z": 2}, "c": {"x": 3, "z": 2}}),
        ("c:\n  <<: [{x: 1}, {x: 2, z: 2}]", {"c": {"x": 1, "z": 2}}),
        ('"<<": 1', {"<<": 1}),
        ("at: 2024-01-31T10:00:00Z", {"at": "2024-01-31T10:00:00Z"}),
        ("%YAML 1.1\n---\na: 1", {"a": 1}),
        ("%TAG ! tag:x,2000:\n---\na: !y 1", {"a": "1"}),
        ('"\\e[31m"', "\x1b[31m"),
    ],
)
def test_values(text: str, value: object) -> None:
    assert values(text) == [value]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("# only a comment\n", []),
        ("---\n---\n", [None, None]),
        ("a: 1\n---\nb: 2\n...\n---\nc: 3\n", [{"a": 1}, {"b": 2}, {"c": 3}]),
    ],
)
def test_streams(text: str, expected: list[object]) -> None:
    assert values(text) == expected


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("a: 1\na: 2", 2, "the same key stands twice in one mapping"),
        ("{a: 1,\n 'a': 2}", 2, "the same key stands twice in one mapping"),
        ("1: x\n'1': y", 2, "the same key stands twice in one mapping"),
        ("a:\n\tb: 1", 2, "not YAML: a tab can't be used for indentation"),
        ("a: b: c", 1, "not YAML: mapping values are not allowed in this context"),
        ("a: @x", 1, "not YAML: found character that cannot start any token while scanning for the next token"),
        ("a:\n  - b\n c: 1", 3, "not YAML: did not find expected key while parsing a block mapping"),
        ("a: 1\nb: {x: 1", 2, "not YAML: did not find expected ',' or '}' while parsing a flow mapping"),
        ("a: *nowhere", 1, "an alias has no anchor"),
        ("a: &x\n  b: *x", 2, "an alias refers to itself"),
        ("a:\n  <<: 1", 2, "<< takes a mapping or a list of mappings"),
        ("a:\n  {{ .Values.x }}: 1", 2, "a mapping's key must be a single value; quote it if it begins with { or ["),
        ("? [a]\n: 1", 1, "a mapping's key must be a single value; quote it if it begins with { or ["),
        ("x: 1\n~: 1", 2, "a mapping's key can't be null"),
        ("x:\n- .inf", 2, "infinity and NaN are not allowed"),
        ("x: !!int abc", 1, "the value is not what its tag !!int says"),
        ("x: !!bool 1", 1, "the value is not what its tag !!bool says"),
        ("%YAML 1.9\n---\na: 1", 1, "not YAML: found incompatible YAML document"),
    ],
)
def test_refusals_have_a_line_and_a_reason(text: str, line: int, reason: str) -> None:
    assert refusal(text) == (line, reason)


@pytest.mark.parametrize(
    "text",
    [
        f"a: {CANARY}\na: {CANARY}",
        f"a: {CANARY}: {CANARY}",
        f"{CANARY}: 1\n{CANARY}: 2",
        f"a: *{CANARY}",
        f"a: !!int {CANARY}",
        f"a: !{CANARY}!x 1",
        f"a: '{CANARY}",
        f"? [{CANARY}]\n: 1",
        f"%{CANARY} 1\n---\na: 1\n---\n{CANARY}: [",
    ],
)
def test_no_refusal_repeats_the_text(text: str) -> None:
    with pytest.raises(InvalidYAML) as caught:
        parse(text)
    assert CANARY not in f"{caught.value!r} {caught.value} {caught.value.__cause__}"


def test_each_field_has_its_line() -> None:
    (document,) = parse("# comment\nspec:\n  models: [chat]\n  targets:\n    - provider: a\n    -\n      model: b\n")
    assert document.lines == {
        "": 2,
        "spec": 2,
        "spec.models": 3,
        "spec.models[0]": 3,
        "spec.targets": 4,
        "spec.targets[0]": 5,
        "spec.targets[0].provider": 5,
        "spec.targets[1]": 7,
        "spec.targets[1].model": 7,
    }


@pytest.mark.parametrize(
    ("path", "line"),
    [("spec.targets[0].provider", 3), ("spec.targets[0].model", 3), ("spec.targets[7]", 2), ("spec.x.y", 1), ("z", 1)],
)
def test_a_missing_field_is_at_its_nearest_parent(path: str, line: int) -> None:
    assert Document(None, {"": 1, "spec": 1, "spec.targets": 2, "spec.targets[0]": 3}).line(path) == line


def test_nesting_is_bounded() -> None:
    deepest = "[" * DEEPEST + "]" * DEEPEST
    assert values(deepest)
    assert refusal(f"a: [{deepest}]") == (1, f"nested deeper than {DEEPEST} levels")


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "a: [", "{? "])
def test_absurd_nesting_is_refused_at_once(opening: str) -> None:
    start = time.process_time()
    refusal(opening * 100_000)
    assert time.process_time() - start < 5, "the parser must not read on once it is too deep"


def test_a_billion_laughs_are_refused() -> None:
    lines = ["l0: &l0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert refusal("\n".join(lines)) == (5, f"aliases stand for more than {MOST_ALIASED} values")


def test_a_billion_merged_keys_are_refused() -> None:
    lines = ["l0: &l0 {a: 1, b: 2, c: 3, d: 4, e: 5, f: 6, g: 7, h: 8}"]
    lines += [f"l{n}: &l{n} {{x{n}: [{', '.join([f'*l{n - 1}'] * 10)}], <<: *l{n - 1}}}" for n in range(1, 10)]
    assert "aliases stand for" in refusal("\n".join(lines))[1]


@pytest.mark.parametrize(
    ("data", "line", "reason"),
    [
        (b"a: 1\nb: \xff\n", 2, "not UTF-8 text"),
        ("a: 1".encode("utf-16"), 1, "not UTF-8 text; save it as UTF-8"),
        (b"a: 1\nb: \x00\n", 2, "the control character U+0000 is not allowed"),
        (b"a: \x1b[31m", 1, "the control character U+001B is not allowed"),
        (b"a: \xef\xbf\xbf", 1, "the control character U+FFFF is not allowed"),
    ],
)
def test_bytes_that_are_no_text(data: bytes, line: int, reason: str) -> None:
    with pytest.raises(InvalidYAML) as caught:
        decode(data)
    assert (caught.value.line, caught.value.reason) == (line, reason)


def test_a_byte_order_mark_and_windows_line_ends_are_tolerated() -> None:
    text = decode(b"\xef\xbb\xbfa: 1\r\n---\r\nb:\r\n  - x\r\n")
    assert [(line, values(piece)) for line, piece in cut(text)] == [(0, [{"a": 1}]), (1, [{"b": ["x"]}])]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'"\ud83d\ude00"', "\U0001f600"),
        (r'"\\ud83d\\ude00"', r"\ud83d\ude00"),
        (r'"\\\ud83d\ude00"', "\\\U0001f600"),
        (r'"\u00e9"', "é"),
    ],
)
def test_json_writes_rare_characters_in_pairs(text: str, value: str) -> None:
    assert values(decode(text.encode(), is_json=True)) == [value]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("a", [(0, "a")]),
        ("---\na\n---\nb\n", [(0, "---\na\n"), (2, "---\nb\n")]),
        ("# head\n---\na", [(0, "# head\n"), (1, "---\na")]),
        ("a: |\n  ---\n---\nb", [(0, "a: |\n  ---\n"), (2, "---\nb")]),
        ("--- {a: 1}\n--- {b: 1}", [(0, "--- {a: 1}\n"), (1, "--- {b: 1}")]),
        ("---a\n----\n", [(0, "---a\n----\n")]),
        ("a\n---", [(0, "a\n"), (1, "---")]),
        ("%YAML 1.1\n---\na\n---\nb", [(0, "%YAML 1.1\n---\na\n---\nb")]),
    ],
)
def test_cut(text: str, pieces: list[tuple[int, str]]) -> None:
    assert list(cut(text)) == pieces


SNIPPETS = [
    "a: 1\n",
    "---\n",
    "--- # x\n",
    "- b\n",
    "c: |\n  ---\n  text\n",
    "# note\n",
    "d: 'x\n  y'\n",
    "--- [1]\n",
    "\n",
    "...\n",
]


@given(st.lists(st.sampled_from(SNIPPETS), max_size=12).map("".join))
def test_pieces_say_what_the_whole_says(text: str) -> None:
    try:
        whole = [(document.value, document.lines) for document in parse(text)]
    except InvalidYAML:
        whole = None
    try:
        pieces = [
            (document.value, {path: line + offset for path, line in document.lines.items()})
            for offset, piece in cut(text)
            for document in parse(piece)
        ]
    except InvalidYAML:
        pieces = None
    assert pieces == whole or whole is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=10,
    )
)
def test_json_is_read_as_what_it_says(value: object) -> None:
    text = json.dumps(value, indent=1).replace("\x7f", "\\u007f")
    assert values(decode(text.encode(), is_json=True)) == [value]
