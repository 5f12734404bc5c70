"""A Snapshot as bytes: canonical, so that equal snapshots have equal digests in every process and Python version.

Canonical JSON here is UTF-8, keys sorted by code point, no spaces, no nulls (an absent value has no key) and no
fractions (they are strings in the model). Defaults are written out: what an absent field means must not depend on the
reader's version.
"""

import hashlib
import json
from typing import Any

from pydantic import ValidationError

from sluice_config.snapshot import SCHEMA_VERSION, Snapshot


class InvalidSnapshot(ValueError):
    """The bytes are no snapshot that this version can read."""


def canonical(value: Any) -> bytes:
    """Canonical JSON of plain values (see above)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def plain(snapshot: Snapshot) -> dict[str, Any]:
    """The snapshot as plain values, as its JSON has them."""
    return snapshot.model_dump(mode="json", by_alias=True, exclude_none=True)


def dump(snapshot: Snapshot) -> bytes:
    """The snapshot's canonical JSON."""
    return canonical(plain(snapshot))


def load(data: bytes) -> Snapshot:
    """Read what dump wrote.

    Raises:
        InvalidSnapshot: it is of another schema version, or it is not a snapshot.
    """
    try:
        return Snapshot.model_validate_json(data, by_alias=True, by_name=False)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        if where == "schemaVersion":
            raise InvalidSnapshot(f"not a snapshot of schema version {SCHEMA_VERSION}") from None
        raise InvalidSnapshot(f"not a snapshot: {where}: {first['msg']}" if where else "not a JSON object") from None


def digest(snapshot: Snapshot) -> str:
    """SHA-256 of the snapshot's canonical JSON: "sha256:<64 hex digits>"."""
    return digest_of(dump(snapshot))


def digest_of(data: bytes) -> str:
    """SHA-256 of bytes that dump wrote, in digest's form."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
