"""Who is calling: keys of consumers, known only by their SHA-256."""

import hashlib
import re
from collections.abc import Iterator, Mapping

from sluice_gateway.credentials import Secret, UnusableValue
from sluice_gateway.errors import InvalidAPIKey

ANONYMOUS = "anonymous"
_HASHED = "sha256:"
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


class Callers:
    """Finds the consumer of a key; of several with the same key, the last by name.

    A look-up by digest takes no time that depends on how much of a key was guessed right.
    """

    def __init__(self, keys: Mapping[str, Secret], *, required: bool) -> None:
        self._required = required
        self._consumers = {_digest_of(secret.reveal()): consumer for consumer, secret in sorted(keys.items())}

    def identify(self, authorization: str | None) -> str:
        """The consumer of an ``Authorization`` header. Raises InvalidAPIKey when keys are required and this is none."""
        if not self._required:
            return ANONYMOUS
        scheme, _, key = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise InvalidAPIKey("no API key was given; send it as: Authorization: Bearer KEY")
        consumer = self._consumers.get(hashlib.sha256(key.strip().encode("utf-8", "surrogateescape")).hexdigest())
        if consumer is None:
            raise InvalidAPIKey("the API key is not known")
        return consumer


def read_key(text: str) -> Secret:
    """An entry of the Secret with callers' keys. Raises UnusableValue."""
    secret = Secret.read(text)
    if secret.reveal().startswith(_HASHED) and not _SHA256.fullmatch(secret.reveal().removeprefix(_HASHED)):
        raise UnusableValue(f"after {_HASHED} there must be 64 hexadecimal digits")
    return secret


def shared_keys(callers: Mapping[str, Secret]) -> Iterator[tuple[str, str]]:
    """Each consumer that ``Callers`` takes for another one with the same key, and what to say about it."""
    taken = {_digest_of(key.reveal()): consumer for consumer, key in sorted(callers.items())}
    for consumer, key in callers.items():
        if (other := taken[_digest_of(key.reveal())]) != consumer:
            yield consumer, f"{consumer} and {other} have the same key: its requests count as those of {other}"


def _digest_of(entry: str) -> str:
    """An entry of the Secret is a key, or ``sha256:`` and its digest in hex."""
    if entry.startswith(_HASHED):
        return entry.removeprefix(_HASHED).lower()
    return hashlib.sha256(entry.encode()).hexdigest()
