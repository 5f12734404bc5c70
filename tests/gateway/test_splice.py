"""Changes to a body's top level: only what must change does, to the byte."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_gateway.splice import edited, members

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(max_size=6), VALUES, max_size=8)
LAYOUTS = st.fixed_dictionaries({"indent": st.none() | st.integers(0, 3), "ensure_ascii": st.booleans()})


def written(document: dict[str, Any], layout: dict[str, Any]) -> bytes:
    return json.dumps(document, **layout).encode("utf-8", "surrogatepass")


@given(OBJECTS, LAYOUTS)
def test_every_member_is_found_where_it_stands(document: dict[str, Any], layout: dict[str, Any]) -> None:
    body = written(document, layout)
    found = members(body)
    assert {member.name: json.loads(body[slice(*member.value)]) for member in found} == document
    assert [json.loads(body[slice(*member.key)]) for member in found] == list(document)


@given(st.data(), OBJECTS, LAYOUTS)
def test_what_is_not_changed_is_kept_to_the_byte(
    data: st.DataObject, document: dict[str, Any], layout: dict[str, Any]
) -> None:
    body = written(document, layout)
    chosen = data.draw(st.sets(st.sampled_from(sorted(document)))) if document else set()
    changes = {name: data.draw(st.none() | VALUES.map(lambda value: json.dumps(value).encode())) for name in chosen}
    after = edited(body, changes)
    wanted = {name: value for name, value in document.items() if name not in changes}
    wanted |= {name: json.loads(value) for name, value in changes.items() if value is not None}
    assert json.loads(after) == wanted
    old = {member.name: body[slice(*member.value)] for member in members(body)}
    for member in members(after):
        if member.name not in changes:
            assert after[slice(*member.value)] == old[member.name]


@given(OBJECTS, LAYOUTS)
def test_renaming_moves_nothing(document: dict[str, Any], layout: dict[str, Any]) -> None:
    body = written(document, layout)
    after = edited(body, {}, {name: f"{name}-new" for name in document})
    assert list(json.loads(after).items()) == [(f"{name}-new", value) for name, value in document.items()]


@pytest.mark.parametrize(
    ("body", "changes", "renamed", "after"),
    [
        (b'{"a": 1.50, "b": 1e400}', {"c": b"2"}, {}, b'{"c":2,"a": 1.50,"b": 1e400}'),
        (b"{}", {"a": b"1"}, {}, b'{"a":1}'),
        (b"{ }", {"a": None}, {}, b"{}"),
        (b'{"a": 1, "a": 2}', {}, {}, b'{"a": 1,"a": 2}'),
        (b'{"a": 1, "a": 2}', {"a": None}, {}, b"{}"),
        (b'{"\\u0061": 1}', {"a": b"2"}, {}, b'{"\\u0061": 2}'),
        (b'{"a": "x, \\"b\\": {", "b": [1, {"b": 2}]}', {"b": b"3"}, {}, b'{"a": "x, \\"b\\": {","b": 3}'),
        (b'{"a" :\n1 , "b":2}', {"b": None}, {}, b'{"a" :\n1}'),
        (b'{"a": 1}', {}, {"a": "b"}, b'{"b": 1}'),
        (b'{"a": {"a": 1}}', {}, {"a": "b"}, b'{"b": {"a": 1}}'),
    ],
)
def test_each_rule(body: bytes, changes: dict[str, bytes | None], renamed: dict[str, str], after: bytes) -> None:
    assert edited(body, changes, renamed) == after
