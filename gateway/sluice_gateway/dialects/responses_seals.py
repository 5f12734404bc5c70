"""What only a provider can read of its reasoning, in the text that callers of /v1/responses keep and send back: the
``encrypted_content`` of a reasoning item.

``sluice.<origin>.<kind>.<value>``: a thought's ``signature``, ``encrypted`` reasoning, or the signature of a ``call``,
whose value begins with the call's id and a space. A text of another form was sealed by a provider of this very shape.
"""

import re
from enum import StrEnum
from typing import NamedTuple

_FORM = re.compile(r"sluice\.(.*?)\.(signature|encrypted|call)\.(.*)", re.DOTALL)
_NATIVE = "responses"  # no adapter's origin: what a provider of this shape has sealed is of no use to any other


class Sealing(StrEnum):
    """What is sealed."""

    SIGNATURE = "signature"
    ENCRYPTED = "encrypted"
    CALL = "call"


class Seal(NamedTuple):
    """``value`` means something to the wire shape ``origin`` alone."""

    kind: Sealing
    origin: str
    value: str


def thought_seal(signature: str | None, encrypted: str | None, origin: str) -> str | None:
    """For a thought; None when it carries nothing but words."""
    if encrypted:
        return _text(Seal(Sealing.ENCRYPTED, origin, encrypted))
    return _text(Seal(Sealing.SIGNATURE, origin, signature)) if signature else None


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
