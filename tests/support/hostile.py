"""Requests and answers as no well-meaning program writes them: recorded ones with a few things wrong."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from sluice_gateway.calls import Shape

GOLDEN = Path(__file__).resolve().parents[1] / "golden"

Place = tuple[str | int, ...]

_NUMBERS = st.sampled_from([0, 1, -1, 2**31, 2**64, -(2**70), 0.5, -0.0, 1e308, 1e-320, True, False])
_WORDS = st.sampled_from(
    [
        "",
        " ",
        "text",
        "auto",
        "none",
        "user",
        "tool",
        "a" * 300,
        "\0",
        "\u2028",
        "\ud800",
        "é" * 40,
        "{}",
        "[",
        "data:,",
        "1",
    ]
)
_DEEP: dict[str, Any] = {"a": {"a": {"a": {"a": [[[[{}]]]]}}}}
JUNK: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    _NUMBERS,
    _WORDS,
    st.sampled_from([[], {}, [None], [[]], [{}], {"": None}, {"type": "text"}, {"type": None}, _DEEP, ["a", 1, None]]),
)
"""Values that stand where others should."""


def seeds(shape: Shape) -> list[dict[str, Any]]:
    """The bodies of all recorded requests of callers of a shape."""
    found = []
    for file in sorted(GOLDEN.glob("*/*/request-*.in.json")):
        case = json.loads(file.read_text(encoding="utf-8"))
        own = Shape.CHAT if file.parent.parent.name == "providers" else Shape(file.parent.name)
        if Shape(case.get("shape", own)) is shape:
            found.append(case["body"])
    return found


def places(document: Any, at: Place = ()) -> Iterator[Place]:
    """Where anything stands in a JSON document, itself not included."""
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for name, value in items:
        yield (*at, name)
        yield from places(value, (*at, name))


@st.composite
def spoiled(draw: st.DrawFn, documents: list[Any], most: int = 3) -> Any:
    """One of these documents with up to ``most`` things wrong: values of another kind, gone, twice, or unheard of."""
    document = copy.deepcopy(draw(st.sampled_from(documents)))
    for _ in range(draw(st.integers(1, most))):
        known = list(places(document))
        if not known:
            break
        _spoil(draw, document, draw(st.sampled_from(known)))
    return document


def _spoil(draw: st.DrawFn, document: Any, place: Place) -> None:
    holder = document
    for step in place[:-1]:
        holder = holder[step]
    name = place[-1]
    how = draw(st.sampled_from(["replace", "replace", "remove", "repeat", "add", "swap"]))
    if how == "replace":
        holder[name] = copy.deepcopy(draw(JUNK))
    elif how == "remove":
        del holder[name]
    elif how == "repeat" and isinstance(holder, list):
        holder.append(copy.deepcopy(holder[int(name)]))
    elif how == "swap":
        others = list(holder) if isinstance(holder, dict) else range(len(holder))
        other = draw(st.sampled_from(list(others)))
        holder[name], holder[other] = holder[other], holder[name]
    elif isinstance(holder, dict):
        holder["x_unheard_of"] = copy.deepcopy(draw(JUNK))


def encoded(document: Any) -> bytes:
    """As JSON; halves of characters as escapes."""
    return json.dumps(document).encode()
