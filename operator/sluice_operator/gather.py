"""All that there is to compile, read afresh: every resource, Secret and gateway at one go, or an error.

Watches only say that something may have changed; what is there is read here. A list is of one moment, and a World is
whole: a right that is missing, a timeout or a fault of the server anywhere ends the attempt, and nothing is published
from half of it. The exception is by design: namespaces that did not bind the credentials role have no Secrets.
"""

import asyncio
import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from sluice_config.compile import ByGateway, Gateway, Resources, RoutesFrom
from sluice_config.findings import Finding, Level
from sluice_config.published import GATEWAY_LABEL, ROUTES_FROM
from sluice_config.resources import (
    AnyResource,
    CachePolicy,
    InvalidResource,
    ModelRoute,
    ProviderPolicy,
    ResourceKey,
    parse_resource,
)
from sluice_config.snapshot import CredentialRef
from sluice_operator.kube.api import Api, Stub
from sluice_operator.kube.errors import Forbidden, KubeError, NotFound, Rejected
from sluice_operator.kube.kinds import (
    CACHE_POLICY,
    CONFIG_MAP,
    DEPLOYMENT,
    MODEL_ROUTE,
    NAMESPACE,
    PROVIDER_POLICY,
    SECRET,
    Document,
    Kind,
    metadata_of,
)
from sluice_operator.kube.together import together
from sluice_operator.render import GatewayObject
from sluice_operator.status import Subject

RESOURCE_KINDS: Final = (MODEL_ROUTE, PROVIDER_POLICY, CACHE_POLICY)

GatewayKey = tuple[str, str]
"""(namespace, name) of a gateway; the name is its label's value."""

ObjectKey = tuple[str, str]
"""(namespace, name) of a Secret or ConfigMap."""

Parsed = AnyResource | tuple[Finding, ...]

Version = tuple[object, ...]

DENIED_SECONDS: Final = 8.0
"""Without the right to read Secrets that were readable, before gateways lose the keys: an authorizer may err once."""

CREDENTIALS_ROLE: Final = "sluice-credentials"
"""The ClusterRole that a namespace binds to let the operator read its Secrets; manifests have it."""


@dataclass(frozen=True, slots=True)
class SecretData:
    """A Secret's values, which never show in a repr."""

    uid: str
    resource_version: str
    values: Mapping[str, bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class FoundGateway:
    """A gateway: its Deployment, what compile has to know of it, and what is wrong with its grant, if anything."""

    deployment: Document
    gateway: Gateway
    wrong_grant: str = ""

    @property
    def owner(self) -> GatewayObject:
        """The Deployment as the owner of what is rendered."""
        metadata = metadata_of(self.deployment)
        return GatewayObject(
            metadata["uid"],
            self.gateway.namespace,
            self.gateway.name,
            metadata["name"],
            metadata.get("annotations") or {},
        )


@dataclass(frozen=True, slots=True)
class World:
    """Everything at (about) one moment. `subjects` are all resources with their status, also the unreadable ones.

    `by_gateway` has the same resources, sorted.
    """

    resources: Resources
    subjects: dict[ResourceKey, Subject]
    gateways: Mapping[GatewayKey, FoundGateway]
    secrets: Mapping[ObjectKey, SecretData]
    by_gateway: ByGateway

    def values(self, resources: Resources) -> dict[CredentialRef, bytes]:
        """What these resources' references to credentials stand for, as far as they are there."""
        found = {}
        for namespace, name, key in secret_refs(resources):
            secret = self.secrets.get((namespace, name))
            if secret and key in secret.values:
                found[CredentialRef(namespace=namespace, name=name, key=key)] = secret.values[key]
        return found


@dataclass(frozen=True, slots=True)
class _Read:
    """What is kept of a resource."""

    version: Version
    parsed: Parsed
    subject: Subject


class Gatherer:
    """Reads the world. ``namespaces`` are those that the operator serves, None for all.

    What was read before is parsed or fetched again only when it has changed.
    """

    def __init__(self, api: Api, namespaces: Sequence[str] | None) -> None:
        self._api = api
        self._scopes: tuple[str | None, ...] = (None,) if namespaces is None else tuple(namespaces)
        self._user = ""
        self._parsed: dict[Version, Parsed] = {}
        self._denied_since: dict[str, float] = {}
        self._secrets: dict[ObjectKey, SecretData] = {}

    async def read(self) -> World:
        """The world as it is. Raises KubeError."""
        self._user = self._user or await self._api.user()
        places = [(kind, scope) for kind in RESOURCE_KINDS for scope in self._scopes]
        found = [one for listing in await together(self._read_place, places) for one in listing if one is not None]
        self._parsed = {one.version: one.parsed for one in found}  # what is gone is forgotten
        resources = _resources(self._parsed.values())
        secrets, denied = await self._read_secrets({ref[:2] for ref in secret_refs(resources)})
        resources = replace(
            resources,
            secrets={key: frozenset(secret.values) for key, secret in secrets.items()},
            config_maps=await self._read_config_maps(config_map_refs(resources)),
            denied=denied,
        )
        subjects = {one.subject.key: one.subject for one in found}
        deployments = await together(self._list_deployments, self._scopes)
        gateways = await self._gateways(document for listing in deployments for document in listing)
        return World(resources, subjects, gateways, secrets, ByGateway(resources))

    async def _read_place(self, place: tuple[Kind, str | None]) -> tuple[_Read | None, ...]:
        return await self._api.each(*place, self._take)

    def _take(self, document: Document) -> _Read | None:
        """All that is kept of a resource; nothing of one that is being deleted."""
        if _is_going(document):
            return None
        version = _version(document)
        parsed = self._parsed.get(version) or parse(document)
        metadata = metadata_of(document)
        generation, version_there = metadata.get("generation", 1), metadata["resourceVersion"]
        subject = Subject(key_of(document), generation, document.get("status"), version_there)
        return _Read(version, parsed, subject)

    async def _list_deployments(self, scope: str | None) -> tuple[Document, ...]:
        return await self._api.list(DEPLOYMENT, scope, labels=GATEWAY_LABEL)

    async def _read_secrets(self, wanted: set[ObjectKey]) -> tuple[dict[ObjectKey, SecretData], dict[str, str]]:
        """Those of the Secrets that exist; and the namespaces where none may be read, with what to do about it."""
        namespaces = sorted({namespace for namespace, _ in wanted})
        listed = await together(self._list_secrets, namespaces)
        denied = {name: self._advice(name) for name, stubs in zip(namespaces, listed, strict=True) if stubs is None}
        stubs = [stub for found in listed for stub in found or () if (stub.namespace, stub.name) in wanted]
        fetched = await together(self._fetch_secret, stubs)
        self._secrets = {}
        for stub, secret in zip(stubs, fetched, strict=True):
            if isinstance(secret, SecretData):
                self._secrets[stub.namespace, stub.name] = secret
            elif secret is Forbidden:
                denied[stub.namespace] = self._advice(stub.namespace)
        return {key: secret for key, secret in self._secrets.items() if key[0] not in denied}, denied

    async def _list_secrets(self, namespace: str) -> tuple[Stub, ...] | None:
        """Identities; None where none may be read. What was readable stays as it was until that has lasted."""
        try:
            stubs, _ = await self._api.list_stubs(SECRET, namespace)
        except Forbidden:
            now = asyncio.get_running_loop().time()
            known = [Stub(*key, one.uid, one.resource_version) for key, one in self._secrets.items()]
            known = [stub for stub in known if stub.namespace == namespace]
            lasted = now - self._denied_since.setdefault(namespace, now)
            return tuple(known) if known and lasted < DENIED_SECONDS else None
        self._denied_since.pop(namespace, None)
        return stubs

    async def _fetch_secret(self, stub: Stub) -> SecretData | type[KubeError]:
        known = self._secrets.get((stub.namespace, stub.name))
        if known and (known.uid, known.resource_version) == (stub.uid, stub.resource_version):
            return known
        try:
            document = await self._api.get(SECRET, stub.namespace, stub.name)
        except (Forbidden, NotFound) as error:
            return type(error)
        metadata = metadata_of(document)
        values = {key: base64.b64decode(value) for key, value in (document.get("data") or {}).items()}
        return SecretData(metadata["uid"], metadata["resourceVersion"], values)

    async def _read_config_maps(self, wanted: Iterable[ObjectKey]) -> dict[ObjectKey, frozenset[str]]:
        keys = sorted(set(wanted))
        found = await together(self._find_config_map, keys)
        return {
            key: frozenset({**(document.get("data") or {}), **(document.get("binaryData") or {})})
            for key, document in zip(keys, found, strict=True)
            if document is not None
        }

    async def _find_config_map(self, key: ObjectKey) -> Document | None:
        """None too where the namespace did not bind the credentials role, which also allows this."""
        try:
            return await self._api.find(CONFIG_MAP, *key)
        except Forbidden:
            return None

    async def _gateways(self, deployments: Iterable[Document]) -> dict[GatewayKey, FoundGateway]:
        """Deployments by the gateway that they are. Of two that claim the same name the older one has it."""
        oldest: dict[GatewayKey, Document] = {}
        for deployment in sorted(deployments, key=_age):
            metadata = metadata_of(deployment)
            if not _is_going(deployment):
                oldest.setdefault((metadata["namespace"], metadata["labels"][GATEWAY_LABEL]), deployment)
        return {key: await self._gateway(key, deployment) for key, deployment in oldest.items()}

    async def _gateway(self, key: GatewayKey, deployment: Document) -> FoundGateway:
        grant = (metadata_of(deployment).get("annotations") or {}).get(ROUTES_FROM) or RoutesFrom.SAME
        if grant in tuple(RoutesFrom):
            return FoundGateway(deployment, Gateway(*key, routes_from=RoutesFrom(grant)))
        try:
            stubs, _ = await self._api.list_stubs(NAMESPACE, None, labels=grant)
        except (Forbidden, Rejected) as error:
            return FoundGateway(deployment, Gateway(*key), f"annotation {ROUTES_FROM}: {error}")
        return FoundGateway(deployment, Gateway(*key, routes_from=frozenset(stub.name for stub in stubs)))

    def _advice(self, namespace: str) -> str:
        return (
            f"kubectl create rolebinding {CREDENTIALS_ROLE} --namespace={namespace} "
            f"--clusterrole={CREDENTIALS_ROLE} {_user_flag(self._user)}"
        )


def parse(document: Document) -> Parsed:
    """The typed resource, or what is wrong with the document."""
    try:
        return parse_resource(document)
    except InvalidResource as error:
        key = key_of(document)
        return tuple(Finding(key, problem.field, Level.ERROR, "Invalid", problem.message) for problem in error.problems)


def key_of(document: Document) -> ResourceKey:
    """Kind, namespace and name."""
    metadata = metadata_of(document)
    return ResourceKey(document["kind"], metadata["namespace"], metadata["name"])


def secret_refs(resources: Resources) -> Iterator[tuple[str, str, str]]:
    """(namespace, name, key) of each reference to a Secret."""
    for policy in resources.providers:
        if policy.spec.credentials:
            provider_ref = policy.spec.credentials.secret_ref
            yield policy.metadata.namespace, provider_ref.name, provider_ref.key
    for cache in resources.caches:
        cache_ref = cache.spec.store.external.secret_ref if cache.spec.store.external else None
        for key in (cache_ref.username_key, cache_ref.password_key) if cache_ref else ():
            if cache_ref and key:
                yield cache.metadata.namespace, cache_ref.name, key


def config_map_refs(resources: Resources) -> Iterator[ObjectKey]:
    """Each ConfigMap that is referred to."""
    for cache in resources.caches:
        for warm in cache.spec.warm:
            yield cache.metadata.namespace, warm.config_map_ref.name


def _resources(parsed: Iterable[Parsed]) -> Resources:
    found = list(parsed)
    return Resources(
        routes=[item for item in found if isinstance(item, ModelRoute)],
        providers=[item for item in found if isinstance(item, ProviderPolicy)],
        caches=[item for item in found if isinstance(item, CachePolicy)],
        refused=[finding for item in found if isinstance(item, tuple) for finding in item],
    )


def _is_going(document: Document) -> bool:
    """Whether it is being deleted: what waits for a finalizer is gone as far as its owner is concerned."""
    return "deletionTimestamp" in metadata_of(document)


def _age(document: Document) -> tuple[str, str]:
    metadata = metadata_of(document)
    return metadata.get("creationTimestamp", ""), metadata["name"]


def _version(document: Document) -> Version:
    """What decides how a document reads. A status that changes makes a new resourceVersion, but no new resource."""
    metadata = metadata_of(document)
    annotations = tuple(sorted((metadata.get("annotations") or {}).items()))
    spec = hash(msgspec.json.encode(document.get("spec")))  # a new version of the CRD prunes, and has other defaults
    return metadata["uid"], metadata.get("generation"), spec, metadata["namespace"], annotations


def _user_flag(user: str) -> str:
    """How kubectl names a user: a ServiceAccount by its namespace and name."""
    account = user.removeprefix("system:serviceaccount:")
    return f"--user={user}" if account == user else f"--serviceaccount={account}"
