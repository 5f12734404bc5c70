"""From Secrets and the environment to credentials: which of those that are needed are there, and what they hold."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from sluice_config.compile import Gateway
from sluice_config.findings import Finding, Level
from sluice_config.resources import CachePolicy, ProviderPolicy, ResourceKey
from sluice_config.resources.cache_policy import Store
from sluice_config.snapshot import CredentialRef, Snapshot
from sluice_gateway.callers import read_key, shared_keys
from sluice_gateway.credentials import Credentials, Secret, UnusableValue
from sluice_gateway.providers.vendors import VENDORS
from sluice_gateway.sources.folder import Contents
from sluice_gateway.sources.objects import INVALID, SecretData

_MISSING = ("SecretNotFound", "SecretKeyNotFound")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A reference to a credential, and who refers to it. ``vendor`` is a provider's, None for anything else."""

    ref: CredentialRef
    owner: ResourceKey
    vendor: str | None = None

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that may stand in."""
        vendor = VENDORS.get(self.vendor) if self.vendor else None
        return vendor.environment if vendor else ()


@dataclass(slots=True)
class Keys:
    """The usable values of what was wanted.

    ``available`` are the keys of each Secret, for compile. ``findings`` are about values that can't be used, and never
    repeat them.
    """

    values: dict[CredentialRef, Secret] = field(default_factory=dict)
    available: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def credentials(self, snapshot: Snapshot) -> Credentials:
        """What the snapshot refers to, and nothing else."""
        refs = {wanted.ref for wanted in wanted_by_snapshot(snapshot)}
        return Credentials.of({ref: value for ref, value in self.values.items() if ref in refs})


def wanted_by_resources(contents: Contents) -> Iterator[Wanted]:
    """What the resources refer to."""
    for key, policy in contents.of(ProviderPolicy):
        if policy.spec.credentials:
            ref = policy.spec.credentials.secret_ref
            wanted = CredentialRef(namespace=key.namespace, name=ref.name, key=ref.key)
            yield Wanted(wanted, key, policy.spec.provider)
    for key, cache in contents.of(CachePolicy):
        yield from _wanted_by_store(cache.spec.store, key)


def wanted_by_snapshot(snapshot: Snapshot) -> Iterator[Wanted]:
    """What a snapshot refers to."""
    for provider in snapshot.providers:
        if provider.credentials:
            yield Wanted(provider.credentials, provider.key, provider.vendor)
    for cache in snapshot.caches:
        yield from _wanted_by_store(cache.store, cache.key)


def _wanted_by_store(store: Store, owner: ResourceKey) -> Iterator[Wanted]:
    if store.external and (ref := store.external.secret_ref):
        for key in (ref.username_key, ref.password_key):
            if key:
                yield Wanted(CredentialRef(namespace=owner.namespace, name=ref.name, key=key), owner)


def find_keys(wanted: Iterable[Wanted], contents: Contents, environ: Mapping[str, str]) -> Keys:
    """Look up each reference: in the Secret, or, if that is not among the files, in the vendor's usual variable."""
    secrets = {(key.namespace, key.name): secret for key, secret in contents.of(SecretData)}
    keys = Keys(available={name: frozenset(secret.values) for name, secret in secrets.items()})
    by_ref: dict[CredentialRef, list[Wanted]] = {}
    for one in wanted:
        by_ref.setdefault(one.ref, []).append(one)
    for ref, owners in by_ref.items():
        secret = secrets.get((ref.namespace, ref.name))
        if secret is None:
            _take_variable(keys, ref, owners, environ)
        elif ref.key in secret.values:
            _take_secret(keys, ref, secret)
    return keys


def _take_secret(keys: Keys, ref: CredentialRef, secret: SecretData) -> None:
    try:
        keys.values[ref] = Secret.read(secret.values[ref.key].reveal())
    except UnusableValue as error:
        owner = ResourceKey("Secret", ref.namespace, ref.name)
        keys.findings.append(Finding(owner, secret.fields[ref.key], Level.ERROR, INVALID, str(error)))


def _take_variable(keys: Keys, ref: CredentialRef, owners: list[Wanted], environ: Mapping[str, str]) -> None:
    """Only when all who share the reference are of one vendor: a key must never go to another one."""
    if len({owner.variables for owner in owners}) != 1:
        return
    for variable in owners[0].variables:
        if not environ.get(variable):
            continue
        try:
            keys.values[ref] = Secret.read(environ[variable])
        except UnusableValue as error:
            message = f"the environment variable {variable} is not used: {error}"
            keys.findings.append(
                Finding(owners[0].owner, "spec.credentials.secretRef", Level.WARNING, "SecretNotFound", message)
            )
            return
        name = (ref.namespace, ref.name)
        keys.available[name] = keys.available.get(name, frozenset()) | {ref.key}
        return


def with_ways_out(findings: Iterable[Finding], wanted: Iterable[Wanted], contents: Contents) -> Iterator[Finding]:
    """The findings; those about a provider's missing Secret say what can be done about it here."""
    owners = {one.owner: one for one in wanted if one.variables}
    for finding in findings:
        one = owners.get(finding.resource) if finding.resource and finding.reason in _MISSING else None
        name = ResourceKey("Secret", one.ref.namespace, one.ref.name) if one else None
        if one is None or name is None or name in contents.places:
            yield finding
            continue
        advice = f"add the Secret to the files, or set {' or '.join(one.variables)}"
        yield replace(finding, message=f"Secret {name.namespace}/{name.name} not found: {advice}")


def find_callers(contents: Contents, gateway: Gateway) -> tuple[dict[str, Secret], list[Finding]]:
    """The keys of the gateway's own callers: every entry of the Secret ``<gateway>-keys``, by the consumer's name."""
    name = ResourceKey("Secret", gateway.namespace, f"{gateway.name}-keys")
    place = contents.places.get(name)
    if place is None or not isinstance(secret := place.found.content, SecretData):
        return {}, []
    callers: dict[str, Secret] = {}
    findings: list[Finding] = []
    for consumer, value in secret.values.items():
        try:
            callers[consumer] = read_key(value.reveal())
        except UnusableValue as error:
            findings.append(Finding(name, secret.fields[consumer], Level.ERROR, INVALID, str(error)))
    for consumer, message in shared_keys(callers):
        findings.append(Finding(name, secret.fields[consumer], Level.WARNING, "Conflicted", message))
    return callers, findings
