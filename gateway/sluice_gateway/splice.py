"""Changes to the top level of a JSON object that leave all other bytes as they came."""

import re
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

# One token of valid JSON that matters for finding a top-level member: a whole string, a bracket, or a comma.
# Possessive: no backtracking, so that time and memory stay linear in the longest of prompts.
STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_TOKEN = re.compile(STRING.pattern + rb"|[\[\]{},]", re.DOTALL)
_COLON = re.compile(rb"\s*:\s*")

_decode = msgspec.json.Decoder().decode


class Member(NamedTuple):
    """Where one member of the object stands: its key (with quotes) and its value, each from start to end."""

    name: str
    key: tuple[int, int]
    value: tuple[int, int]


def members(body: bytes) -> list[Member]:
    """The members of a valid JSON object, in their order, duplicates included."""
    depth = 0
    found: list[Member] = []
    key: tuple[int, int] | None = None
    begin = 0
    for token in _TOKEN.finditer(body):
        text = token.group()
        if text in (b"{", b"["):
            depth += 1
        elif text in (b"}", b"]", b","):
            if key is not None and depth == 1:
                value = (begin, begin + len(body[begin : token.start()].rstrip()))
                found.append(Member(_decode(body[slice(*key)]), key, value))
                key = None
            depth -= text != b","
        elif depth == 1 and key is None and (colon := _COLON.match(body, token.end())):
            key, begin = token.span(), colon.end()
    return found


def edited(body: bytes, changes: Mapping[str, bytes | None], renamed: Mapping[str, str] | None = None) -> bytes:
    """``body`` with the values of ``changes`` (JSON) in the place of what it has, None taking a member out.

    Members that it lacks come first. ``renamed`` gives members another name. All bytes of what stays are kept.
    """
    renamed = renamed or {}
    kept: list[bytes] = []
    missing = dict(changes)
    for member in members(body):
        missing.pop(member.name, None)
        value = changes.get(member.name, body[slice(*member.value)])
        if value is None:
            continue
        key = body[slice(*member.key)]
        if member.name in renamed:
            key = msgspec.json.encode(renamed[member.name])
        kept.append(key + body[member.key[1] : member.value[0]] + value)
    first = [msgspec.json.encode(name) + b":" + value for name, value in missing.items() if value is not None]
    return b"{" + b",".join(first + kept) + b"}"
