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

from sluice_config.compile import Resources
from sluice_config.findings import Finding, Level
from sluice_config.published import GATEWAY_LABEL
from sluice_config.resources import (
    AnyResource,
    CachePolicy,
    InvalidResource,
    ModelRoute,
    ProviderPolicy,
    ResourceKey,
    parse_resource,
)
from sluice_operator.kube.api import Api, Stub
from sluice_operator.kube.errors import Forbidden, KubeError, NotFound
from sluice_operator.kube.kinds import (
    CACHE_POLICY,
    CONFIG_MAP,
    DEPLOYMENT,
    MODEL_ROUTE,
    PROVIDER_POLICY,
    SECRET,
    Document,
    Kind,
    metadata_of,
)
from sluice_operator.kube.together import together
from sluice_operator.work import Clock

RESOURCE_KINDS: Final = (MODEL_ROUTE, PROVIDER_POLICY, CACHE_POLICY)

GatewayKey = tuple[str, str]
"""(namespace, name) of a gateway; the name is its label's value."""

ObjectKey = tuple[str, str]
"""(namespace, name) of a Secret or ConfigMap."""

Parsed = AnyResource | tuple[Finding, ...]

Version = tuple[object, ...]

CREDENTIALS_ROLE: Final = "sluice-credentials"
"""The ClusterRole that a namespace binds to let the operator read its Secrets; manifests have it."""


@dataclass(frozen=True, slots=True)
class SecretData:
    """A Secret's values, which never show in a repr."""

    uid: str
    resource_version: str
    values: Mapping[str, bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class World:
    """Everything at (about) one moment. ``began``: what changed before that second of the clock is in it.

    ``documents`` are the resources as they are, also the unreadable ones; ``gateways`` are Deployments.
    """

    began: float
    resources: Resources
    documents: dict[ResourceKey, Document]
    gateways: Mapping[GatewayKey, Document]
    secrets: Mapping[ObjectKey, SecretData]


class Gatherer:
    """Reads the world. ``namespaces`` are those that the operator serves, None for all.

    What was read before is parsed or fetched again only when it has changed. ``subject`` is the operator's own user
    name, for the advice on how to let it read Secrets.
    """

    def __init__(self, api: Api, namespaces: Sequence[str] | None, subject: str, clock: Clock) -> None:
        self._api = api
        self._scopes: tuple[str | None, ...] = (None,) if namespaces is None else tuple(namespaces)
        self._subject = subject
        self._clock = clock
        self._parsed: dict[Version, Parsed] = {}
        self._secrets: dict[ObjectKey, SecretData] = {}
        self._last: World | None = None
        self._turn = asyncio.Lock()

    async def world(self, since: float) -> World:
        """The world as it is, or as it was last read when that began after ``since``. Raises KubeError."""
        async with self._turn:
            if self._last is None or self._last.began <= since:
                self._last = None  # never two of them in memory, and none when reading fails
                self._last = await self._read()
            return self._last

    async def _read(self) -> World:
        began = self._clock()
        places = [(kind, scope) for kind in RESOURCE_KINDS for scope in self._scopes]
        listings = await together(self._list, [*places, *((DEPLOYMENT, scope) for scope in self._scopes)])
        documents = [document for listing in listings[: len(places)] for document in listing]
        deployments = [document for listing in listings[len(places) :] for document in listing]
        resources = await asyncio.to_thread(self._parse, documents)  # ten thousand of them take a second
        secrets, denied = await self._read_secrets({ref[:2] for ref in secret_refs(resources)})
        resources = replace(
            resources,
            secrets={key: frozenset(secret.values) for key, secret in secrets.items()},
            config_maps=await self._read_config_maps(_config_map_refs(resources)),
            denied=denied,
        )
        by_key = {key_of(document): document for document in documents}
        return World(began, resources, by_key, _gateways(deployments), secrets)

    async def _list(self, place: tuple[Kind, str | None]) -> tuple[Document, ...]:
        kind, scope = place
        labels = GATEWAY_LABEL if kind is DEPLOYMENT else ""
        return (await self._api.list(kind, scope, labels=labels)).items

    def _parse(self, documents: Iterable[Document]) -> Resources:
        """Typed resources; what can't be read becomes findings. What is gone is forgotten."""
        parsed = {}
        for document in documents:
            version = _version(document)
            parsed[version] = self._parsed.get(version) or parse(document)
        self._parsed = parsed
        found = list(parsed.values())
        return Resources(
            routes=[item for item in found if isinstance(item, ModelRoute)],
            providers=[item for item in found if isinstance(item, ProviderPolicy)],
            caches=[item for item in found if isinstance(item, CachePolicy)],
            refused=[finding for item in found if isinstance(item, tuple) for finding in item],
        )

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
        try:
            return (await self._api.list_stubs(SECRET, namespace))[0]
        except Forbidden:
            return None

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
        found = await together(lambda key: self._api.find(CONFIG_MAP, *key), keys)
        return {
            key: frozenset({**(document.get("data") or {}), **(document.get("binaryData") or {})})
            for key, document in zip(keys, found, strict=True)
            if document is not None
        }

    def _advice(self, namespace: str) -> str:
        return (
            f"kubectl create rolebinding {CREDENTIALS_ROLE} --namespace={namespace} "
            f"--clusterrole={CREDENTIALS_ROLE} {_subject_flag(self._subject)}"
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


def _config_map_refs(resources: Resources) -> Iterator[ObjectKey]:
    for cache in resources.caches:
        for warm in cache.spec.warm:
            yield cache.metadata.namespace, warm.config_map_ref.name


def _gateways(deployments: Iterable[Document]) -> dict[GatewayKey, Document]:
    """Deployments by the gateway that they are. Of two that claim the same name the older one has it."""

    def age(document: Document) -> tuple[str, str]:
        metadata = metadata_of(document)
        return metadata.get("creationTimestamp", ""), metadata["name"]

    gateways: dict[GatewayKey, Document] = {}
    for deployment in sorted(deployments, key=age):
        metadata = metadata_of(deployment)
        gateways.setdefault((metadata["namespace"], metadata["labels"][GATEWAY_LABEL]), deployment)
    return gateways


def _version(document: Document) -> Version:
    """What decides how a document reads. A status that changes makes a new resourceVersion, but no new resource."""
    metadata = metadata_of(document)
    annotations = tuple(sorted((metadata.get("annotations") or {}).items()))
    return metadata["uid"], metadata.get("generation"), metadata["namespace"], annotations


def _subject_flag(subject: str) -> str:
    """How kubectl names a user: a ServiceAccount by its namespace and name."""
    account = subject.removeprefix("system:serviceaccount:")
    return f"--user={subject}" if account == subject else f"--serviceaccount={account}"
