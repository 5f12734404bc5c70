"""Credentials in memory: values that no log, error text or pickle can show by accident."""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn, Self

from sluice_config.snapshot import CredentialRef

_REVISION_KEY = secrets.token_bytes(32)
_REVISION_BYTES = 8


class UnusableValue(ValueError):
    """A credential that can't be sent. The text says why, never what."""


class Secret:
    """A text that is shown only by ``reveal``; everything else that Python can do to print it gives ``***``."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    @classmethod
    def read(cls, value: str) -> Self:
        """A value as a Secret or an environment variable has it.

        Line ends after it are dropped (``echo KEY | base64`` adds one). Raises UnusableValue when nothing is left, or
        when there are characters in it that no HTTP header takes (RFC 9110, 5.5).
        """
        text = value.rstrip("\r\n")
        if not text:
            raise UnusableValue("the value is empty")
        if not text.isprintable() or not text.isascii() or text != text.strip():
            raise UnusableValue("the value has control characters, blanks around it or letters outside of ASCII")
        return cls(text)

    def reveal(self) -> str:
        """The value itself, for the one place that needs it."""
        return self._value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(
            self._value.encode("utf-8", "surrogatepass"), other._value.encode("utf-8", "surrogatepass")
        )

    def __hash__(self) -> NoReturn:
        raise TypeError("a secret can't be hashed: its hash could be compared")

    def __repr__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return format("***", spec)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret can't be pickled or copied")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a snapshot's references stand for.

    ``revision`` changes with any value, and is "0" when there is none. It is keyed with a random key of this process,
    so that nobody can guess values from it; two processes never agree on one.
    """

    values: Mapping[CredentialRef, Secret] = field(default_factory=dict)
    revision: str = "0"

    @classmethod
    def of(cls, values: Mapping[CredentialRef, Secret]) -> Self:
        """Credentials with their revision."""
        if not values:
            return cls()
        content = sorted((ref.namespace, ref.name, ref.key, secret.reveal()) for ref, secret in values.items())
        keyed = hashlib.blake2b(json.dumps(content).encode(), key=_REVISION_KEY, digest_size=_REVISION_BYTES)
        return cls(dict(values), keyed.hexdigest())
