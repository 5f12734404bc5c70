"""What the operator has published, put together: index, shards, credentials and callers' keys. Pure.

How the parts got here, through the API server or a mounted volume, is the sources' matter.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sluice_config.findings import Finding, Level
from sluice_config.published import callers_name, credentials_name
from sluice_config.resources.base import ResourceKey
from sluice_config.shards import BrokenShards, Index
from sluice_config.snapshot import CredentialRef, Snapshot
from sluice_gateway.callers import read_key, shared_keys
from sluice_gateway.credentials import Credentials, Secret, UnusableValue
from sluice_gateway.sources.source import Loaded, LocatedFinding

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Unusable(Exception):
    """This index can't be served, and waiting will not help. ``digest`` is that of its snapshot, if it names one."""

    def __init__(self, reason: str, digest: str | None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.digest = digest


@dataclass(frozen=True, slots=True)
class Keys:
    """A Secret's data, ``revision`` where the operator wrote one; ``missing`` says why there is none."""

    data: Mapping[str, bytes]
    revision: str | None = None
    missing: str = ""

    def __repr__(self) -> str:
        return f"Keys({len(self.data)} values)"


def read_index(data: bytes, gateway: str) -> Index:
    """The index of this gateway ("namespace/name"). Raises Unusable."""
    try:
        index = Index.load(data)
    except BrokenShards as error:
        raise Unusable(str(error), _digest_in(data)) from error
    if index.gateway != gateway:
        raise Unusable(f"the index is that of the gateway {index.gateway}, not of {gateway}", index.digest)
    return index


def _digest_in(data: bytes) -> str | None:
    """The digest that an index of another version names, where it has one."""
    try:
        digest = json.loads(data)["digest"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return digest if isinstance(digest, str) and _DIGEST.fullmatch(digest) else None


def loaded(snapshot: Snapshot, index: Index, credentials: Keys, callers: Keys, origin: str) -> Loaded:
    """What to serve. A value that is missing or can't be used is a finding: the rest is served."""
    namespace, _, gateway = snapshot.gateway.partition("/")
    found, about_keys = _credentials(
        snapshot, credentials, ResourceKey("Secret", namespace, credentials_name(gateway)), index.credentials_revision
    )
    consumers, about_callers = _callers(callers, ResourceKey("Secret", namespace, callers_name(gateway)))
    findings = tuple(LocatedFinding(finding, "", 0) for finding in (*about_keys, *about_callers))
    return Loaded(snapshot, index.digest, found, consumers, findings, origin)


def _credentials(
    snapshot: Snapshot, keys: Keys, secret: ResourceKey, wanted: str
) -> tuple[Credentials, Iterable[Finding]]:
    findings: list[Finding] = []
    if keys.missing and snapshot.credential_refs:
        findings.append(_warning(secret, "SecretNotFound", f"{keys.missing}; providers get no keys"))
    elif keys.revision is not None and keys.revision != wanted:
        findings.append(
            _warning(secret, "Pending", f"it holds revision {keys.revision}, where the index names {wanted}")
        )
    values: dict[CredentialRef, Secret] = {}
    for ref in snapshot.credential_refs:
        value = keys.data.get(ref.data_key)
        if value is None and not keys.missing:
            findings.append(_warning(secret, "SecretKeyNotFound", f"{ref.data_key} is not in it"))
        elif value is not None:
            try:
                values[ref] = Secret.read(_text(value))
            except UnusableValue as error:
                findings.append(_warning(secret, "Invalid", f"{ref.data_key}: {error}"))
    credentials = Credentials.of(values)
    return (credentials if keys.revision is None else Credentials(values, keys.revision)), findings


def _callers(keys: Keys, secret: ResourceKey) -> tuple[dict[str, Secret], Iterable[Finding]]:
    findings: list[Finding] = []
    if keys.missing:
        findings.append(_warning(secret, "SecretNotFound", f"{keys.missing}; no caller has a key"))
    consumers: dict[str, Secret] = {}
    for consumer, value in sorted(keys.data.items()):
        try:
            consumers[consumer] = read_key(_text(value))
        except UnusableValue as error:
            findings.append(_warning(secret, "Invalid", f"{consumer}: {error}"))
    findings += [_warning(secret, "Conflicted", message) for _, message in shared_keys(consumers)]
    return consumers, findings


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise UnusableValue("the value is not UTF-8") from None


def _warning(secret: ResourceKey, reason: str, message: str) -> Finding:
    return Finding(secret, "", Level.WARNING, reason, message)
