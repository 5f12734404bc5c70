"""The one Secret with all credentials of a gateway, and the revision that tells changes of it apart.

The revision is public: it stands in the index and in what pods answer. A digest of the values, also a salted one,
would let anyone test guesses, and a key for a keyed one would have to be kept and shared. So it is a random number,
drawn when the values change and kept in the Secret's own annotation: whoever writes next, this process or another one
after a fail-over, compares values with values and finds the same revision. It says nothing about them.
"""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sluice_config.published import REVISION, credentials_name
from sluice_config.snapshot import CredentialRef
from sluice_operator.render.gateway import GatewayObject, Object, metadata

MOST_VALUE_BYTES = 16 * 1024
"""Of one value: more than any HTTP server takes as a header."""
MOST_BYTES = 900 * 1024
"""Of all values and their keys together. A Secret may have 1 MiB."""
NOTHING = "0"
"""The revision of no values at all."""

_REVISION = re.compile("[0-9a-f]{16}")

Data = dict[str, str]


@dataclass(frozen=True, slots=True)
class Credentials:
    """The Secret before and after the index is flipped.

    Before: also what only the previous index refers to, since gateways that start now read that one. After: None when
    there is nothing to remove.
    """

    revision: str
    before: Object
    after: Object | None

    def __repr__(self) -> str:
        return f"Credentials({self.revision})"


def oversized(values: Mapping[CredentialRef, bytes]) -> frozenset[CredentialRef]:
    """The values that are too large: each by itself, and the largest of those that do not fit together."""
    sizes = {ref: len(value) for ref, value in values.items()}
    large = {ref for ref, size in sizes.items() if size > MOST_VALUE_BYTES}
    rest = sorted(sizes.keys() - large, key=lambda ref: (sizes[ref], ref.data_key))
    total = 0
    for ref in rest:
        total += sizes[ref] + len(ref.data_key)
        if total > MOST_BYTES:
            large.add(ref)
    return frozenset(large)


def render_credentials(
    gateway: GatewayObject,
    values: Mapping[CredentialRef, bytes],
    live: Object | None,
    *,
    flips: bool,
    new_revision: Callable[[], str],
) -> Credentials:
    """The Secret for these values. `live` is the one that is there, `flips` whether a new index follows.

    `new_revision` gives 16 random hexadecimal digits (secrets.token_hex(8)).
    """
    wanted = {ref.data_key: base64.b64encode(value).decode() for ref, value in values.items()}
    data: Data = dict((live or {}).get("data") or {})
    revision = _kept_revision(wanted, data, live) or new_revision() if wanted else NOTHING
    exact = _secret(gateway, wanted, revision)
    leftovers = {key: value for key, value in data.items() if key not in wanted}
    both = {**wanted, **leftovers}
    if not flips or not leftovers or _size(both) > MOST_BYTES:
        return Credentials(revision, exact, None)
    return Credentials(revision, _secret(gateway, both, revision), exact)


def _kept_revision(wanted: Data, data: Data, live: Object | None) -> str | None:
    """The revision that stands for the wanted values already; leaving some out is no change of the others."""
    annotations = (live or {}).get("metadata", {}).get("annotations") or {}
    revision = annotations.get(REVISION, "")
    same = all(data.get(key) == value for key, value in wanted.items())
    return revision if same and _REVISION.fullmatch(revision) else None


def _secret(gateway: GatewayObject, data: Data, revision: str) -> Object:
    described = metadata(gateway, credentials_name(gateway.name))
    described["annotations"][REVISION] = revision
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": described,
        "type": "Opaque",
        "data": dict(sorted(data.items())),
    }


def _size(data: Data) -> int:
    return sum(len(key) + len(value) * 3 // 4 for key, value in data.items())
