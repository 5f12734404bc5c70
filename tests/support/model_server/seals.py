"""Signatures of thoughts: whoever sends a thought back must not have changed it, nor mixed up whose it is."""

import base64
import hashlib
import hmac
import json
from typing import Any

_SECRET = b"the model server's own"


class Broken(Exception):
    """A signature that is not ours, or not of these words."""


def sign(provider: str, *words: str) -> str:
    """A signature over ``words``: base64, as providers' are."""
    digest = hmac.new(_SECRET, json.dumps([provider, *words]).encode(), hashlib.sha256).digest()
    return base64.b64encode(b"\x0a\x20" + digest).decode()


def check(signature: object, provider: str, *words: str) -> None:
    """Raises Broken."""
    if not isinstance(signature, str) or not hmac.compare_digest(signature.encode(), sign(provider, *words).encode()):
        raise Broken


def seal(provider: str, content: Any) -> str:
    """What only the provider can read."""
    text = base64.b64encode(json.dumps(content).encode()).decode()
    return f"{text}.{sign(provider, text)}"


def unseal(provider: str, sealed: object) -> Any:
    """Raises Broken."""
    if not isinstance(sealed, str):
        raise Broken
    text, _, signature = sealed.partition(".")
    check(signature, provider, text)
    return json.loads(base64.b64decode(text))
