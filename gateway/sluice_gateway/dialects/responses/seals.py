"""What only a provider can read of its reasoning, in the text that callers of /v1/responses keep and send back: the
``encrypted_content`` of a reasoning item.

``sluice.<origin>.<kind>.<value>``: a thought's ``signature``, ``encrypted`` reasoning, the signature of a ``call``,
whose value begins with the call's id and a space, or mere ``words``, which need no seal but are known by it as the
gateway's. A text of another form was sealed by a provider of this very shape.
"""

import re
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from sluice_gateway import splice

_FORM = re.compile(r"sluice\.(.*?)\.(signature|encrypted|call|words)\.(.*)", re.DOTALL)
_NATIVE = "responses"  # no adapter's origin: what a provider of this shape has sealed is of no use to any other


class Sealing(StrEnum):
    """What is sealed."""

    SIGNATURE = "signature"
    ENCRYPTED = "encrypted"
    CALL = "call"
    WORDS = "words"


class Seal(NamedTuple):
    """``value`` means something to the wire shape ``origin`` alone."""

    kind: Sealing
    origin: str
    value: str


def thought_seal(signature: str | None, encrypted: str | None, origin: str) -> str | None:
    """For a thought whose provider has sealed it; None for others."""
    if encrypted:
        return _text(Seal(Sealing.ENCRYPTED, origin, encrypted))
    return _text(Seal(Sealing.SIGNATURE, origin, signature)) if signature else None


def words_seal(origin: str) -> str:
    """For a thought of mere words."""
    return _text(Seal(Sealing.WORDS, origin, ""))


def call_seal(call_id: str, signature: str, origin: str) -> str:
    """For a tool call."""
    return _text(Seal(Sealing.CALL, origin, f"{call_id} {signature}"))


def _text(seal: Seal) -> str:
    return f"sluice.{seal.origin}.{seal.kind}.{seal.value}"


def opened(text: str) -> Seal:
    """What such a text holds."""
    form = _FORM.fullmatch(text)
    if form is None:
        return Seal(Sealing.ENCRYPTED, _NATIVE, text)
    return Seal(Sealing(form[2]), form[1], form[3])


def without_ours(body: bytes, document: dict[str, Any]) -> bytes:
    """A request for a provider that speaks this shape itself: it could not open what the gateway has sealed, and would
    not know the items, so they are left out.
    """
    items = document.get("input")
    if b'"sluice.' not in body or type(items) is not list:
        return body
    kept = [item for item in items if not _is_ours(item)]
    return body if len(kept) == len(items) else splice.edited(body, {"input": msgspec.json.encode(kept)})


def _is_ours(item: object) -> bool:
    if type(item) is not dict or item.get("type") != "reasoning":
        return False
    seal = item.get("encrypted_content")
    return type(seal) is str and _FORM.fullmatch(seal) is not None
