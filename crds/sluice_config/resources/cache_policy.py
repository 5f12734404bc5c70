"""CachePolicy: which answers may be used again, and the store that keeps them."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from sluice_config.resources.base import Resource, Rule, Section
from sluice_config.resources.scalars import (
    Address,
    CPUQuantity,
    DataKey,
    Decimal,
    Image,
    MemoryQuantity,
    ModelName,
    ObjectName,
)


class Embedder(Section):
    """What turns a prompt into a vector."""

    rules = (
        Rule(
            cel="self.type == 'provider' ? has(self.provider) && has(self.model) : !has(self.provider)",
            message="type provider needs provider and model; type local has no provider",
            holds=lambda self: (
                self.provider is not None and self.model is not None
                if self.type == "provider"
                else self.provider is None
            ),
            field="provider",
        ),
    )

    type: Literal["local", "provider"] = "local"
    """A model within the gateway, or a provider's embeddings."""
    provider: ObjectName | None = None
    """A ProviderPolicy of the same namespace."""
    model: ModelName | None = None
    """The embedding model."""
    dimensions: int | None = Field(default=None, ge=1, le=8192)
    """Length of the vectors; the model's own when absent."""


class Semantic(Section):
    """Using answers to prompts that mean the same."""

    threshold: Decimal = "0.08"
    """The largest cosine distance (0 to 2) at which two prompts count as the same."""
    guards: Literal["default", "strict", "off"] = "default"
    """Checks that the distance cannot make: numbers, negation, names and the like must agree."""
    embedder: Embedder = Embedder()
    """What turns a prompt into a vector."""
    max_prompt_tokens: int = Field(default=200, ge=1, le=8192)
    """Longer prompts are looked up exactly only."""
    max_temperature: Decimal = "1"
    """Requests above this temperature are looked up exactly only; an absent temperature counts as 1."""
    deadline_milliseconds: int | None = Field(default=None, ge=1, le=10_000)
    """The longest look-up; 25 with a local embedder and 300 with a provider's when absent."""
    max_wrong_rate: Decimal = "0.02"
    """Under mode verified: the share of wrong answers to stay below."""


class Judge(Section):
    """Who compares two answers."""

    route: ObjectName
    """A ModelRoute of the same namespace."""


class Shadow(Section):
    """Measuring what the cache would have answered, without serving it."""

    sample_percent: int = Field(default=5, ge=1, le=100)
    """Share of would-be hits whose answers are compared."""
    judge: Judge | None = None
    """Who compares the answers; only equality counts when absent."""


class MemoryStore(Section):
    """Entries in each gateway pod's own memory."""


class ResourceAmounts(Section):
    """Amounts of CPU and disk; memory follows from the store's memory."""

    cpu: CPUQuantity | None = None
    """CPU, such as 250m."""
    ephemeral_storage: MemoryQuantity | None = Field(default=None, alias="ephemeral-storage")
    """Disk for logs and scratch, such as 1Gi."""


class ComputeResources(Section):
    """What the store's container requests and may use."""

    requests: ResourceAmounts = ResourceAmounts()
    """What is set aside."""
    limits: ResourceAmounts = ResourceAmounts()
    """What may be used at most."""


class Persistence(Section):
    """Whether entries survive a restart of the store."""

    rules = (
        Rule(
            cel="!self.enabled || has(self.size)",
            message="persistence needs a size",
            holds=lambda self: not self.enabled or self.size is not None,
            field="size",
        ),
        Rule(
            cel="!oldSelf.enabled || !self.enabled || !has(oldSelf.size) || !has(self.size) || "
            "quantity(self.size).compareTo(quantity(oldSelf.size)) >= 0",
            message="a volume can grow but not shrink",
            field="size",
        ),
        Rule(
            cel="!oldSelf.enabled || !self.enabled || has(self.storageClassName) == has(oldSelf.storageClassName) && "
            "(!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)",
            message="the storage class of an existing volume cannot change",
            field="storageClassName",
        ),
    )

    enabled: bool = False
    """Keep entries on a volume."""
    size: MemoryQuantity | None = None
    """Size of the volume, such as 1Gi."""
    storage_class_name: ObjectName | None = None
    """The volume's StorageClass; the cluster's default when absent."""


class ManagedStore(Section):
    """A Redis that the operator runs for this policy."""

    memory: MemoryQuantity = "256Mi"
    """Memory of the Redis container, request and limit alike; entries get a part of it."""
    image: Image | None = None
    """The Redis image; the operator's own choice when absent."""
    resources: ComputeResources = ComputeResources()
    """CPU and scratch disk of the container."""
    persistence: Persistence = Persistence()
    """Whether entries survive a restart."""
    retain: Literal["Delete", "Retain"] = "Delete"
    """What happens to the volume when the policy is deleted."""


class StoreSecretRef(Section):
    """The Secret with the store's user and password."""

    name: ObjectName
    """The Secret's name."""
    username_key: DataKey | None = None
    """The key that holds the user's name; the default user when absent."""
    password_key: DataKey = "password"
    """The key that holds the password."""


class ExternalStore(Section):
    """A Redis that somebody else runs."""

    address: Address
    """Its host and port."""
    tls: bool = False
    """Whether to use TLS, with verification."""
    secret_ref: StoreSecretRef | None = None
    """User and password; none when absent."""


def _one_store(self: "Store") -> bool:
    return sum(store is not None for store in (self.memory, self.managed, self.external)) == 1


class Store(Section):
    """Where entries are kept: exactly one of memory, managed and external."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="(has(self.memory) ? 1 : 0) + (has(self.managed) ? 1 : 0) + (has(self.external) ? 1 : 0) == 1",
            message="set exactly one of memory, managed and external",
            holds=_one_store,
        ),
    )

    memory: MemoryStore | None = None
    """Each gateway pod's own memory."""
    managed: ManagedStore | None = None
    """A Redis that the operator runs."""
    external: ExternalStore | None = None
    """A Redis that somebody else runs."""


class ConfigMapKeyRef(Section):
    """One key of a ConfigMap of the same namespace."""

    name: ObjectName
    """The ConfigMap's name."""
    key: DataKey
    """The key within the ConfigMap."""


class Warm(Section):
    """Prompts that are asked ahead of time."""

    config_map_ref: ConfigMapKeyRef
    """The ConfigMap's key with the prompts, one request in JSON a line."""
    requests_per_minute: int = Field(default=60, ge=1, le=10_000)
    """How fast to ask."""


class CachePolicySpec(Section):
    """Which answers may be used again, and the store that keeps them."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="self.purge >= oldSelf.purge",
            message="purge can only be raised",
            field="purge",
        ),
    )

    mode: Literal["off", "exact", "shadow", "semantic", "verified"] = "exact"
    """exact: same request; semantic: similar prompts; verified: those whose answers agreed; shadow: only measure."""
    ttl_seconds: int = Field(default=3600, ge=1, le=31_536_000)
    """How long an entry is kept. Hits do not prolong it."""
    scope: Literal["consumer", "route"] = "consumer"
    """Who shares entries: the requests of one consumer, or all of a route."""
    max_entries: int = Field(default=10_000, ge=1, le=10_000_000)
    """Entries at most."""
    max_entry_bytes: int = Field(default=1_048_576, ge=1024, le=16_777_216)
    """Larger answers are not kept."""
    max_temperature: Decimal = "2"
    """Requests above this temperature are not cached; an absent temperature counts as 1."""
    semantic: Semantic = Semantic()
    """Using answers to prompts that mean the same."""
    shadow: Shadow = Shadow()
    """Measuring what the cache would have answered."""
    store: Store
    """Where entries are kept."""
    warm: Annotated[tuple[Warm, ...], Field(strict=False, max_length=16)] = ()
    """Prompts that are asked ahead of time."""
    purge: int = Field(default=0, ge=0, le=2_147_483_647)
    """Raise it to empty the policy's cache at once; nothing else empties it."""


class CachePolicy(Resource):
    """Which answers may be used again, and the store that keeps them."""

    kind: Literal["CachePolicy"] = "CachePolicy"
    spec: CachePolicySpec
