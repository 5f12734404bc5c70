"""JSON that is not quite of the types that it should be."""

from typing import Any

import msgspec
import pytest

from sluice_gateway.providers.loose import loosely


class Inner(msgspec.Struct):
    count: int | None = None
    text: str | None = None


class Outer(msgspec.Struct):
    name: str | None = None
    one: Inner | None = None
    many: list[Inner] | None = None
    raw: msgspec.Raw | None = None
    free: Any = None
    either: str | int | None = None


@pytest.mark.parametrize(
    ("document", "read"),
    [
        ({"name": "a", "one": {"count": 1}, "unknown": 2}, Outer(name="a", one=Inner(count=1))),
        ({"name": 5}, Outer(name="5")),
        ({"name": 1.5}, Outer(name="1.5")),
        ({"name": True}, Outer()),
        ({"name": {"a": 1}}, Outer(name='{"a":1}')),
        ({"name": ["a"]}, Outer()),
        ({"one": {"count": "7", "text": None}}, Outer(one=Inner(count=7))),
        ({"one": {"count": 7.0}}, Outer(one=Inner(count=7))),
        ({"one": {"count": "many"}}, Outer(one=Inner())),
        ({"one": 5}, Outer()),
        ({"many": {"count": 1}}, Outer(many=[Inner(count=1)])),
        ({"many": [{"count": 1}, 5, None, {"count": []}]}, Outer(many=[Inner(count=1), Inner()])),
        ({"many": "none"}, Outer(many=[])),
        ({"free": [1, {"a": 2}], "either": 3}, Outer(free=[1, {"a": 2}], either=3)),
        ({"either": []}, Outer()),
        ([], Outer()),
        (None, Outer()),
        ("text", Outer()),
    ],
)
def test_what_can_be_understood_still_counts(document: object, read: Outer) -> None:
    assert loosely(Outer, document) == read


def test_what_is_to_be_read_later_stays_json() -> None:
    raw = loosely(Outer, {"raw": {"message": "boom"}, "name": []}).raw
    assert raw is not None
    assert msgspec.json.decode(raw) == {"message": "boom"}
