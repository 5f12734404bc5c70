"""The Kubernetes objects that carry a configuration from the operator to a gateway: fixed names, keys, annotations.

The names are fixed so that RBAC can list them and a volume can mount them. Slots are described in `shards`.
"""

from typing import Final

from sluice_config.shards import SHARDS, Place, Slot

GATEWAY_LABEL: Final = "sluice.dev/gateway"
"""On a gateway's Deployment, and on all that the operator writes for it: the gateway's name."""
ROUTES_FROM: Final = "sluice.dev/routes-from"
"""Annotation of a gateway's Deployment: whose routes it takes."""
AUTOSCALING: Final = "sluice.dev/autoscaling"
"""Annotation of a gateway's Deployment: "off" leaves the number of its pods to somebody else."""
REVISION: Final = "sluice.dev/revision"
"""Annotation of the Secret with credentials: which values it holds, as the index says it too."""
INDEX_KEY: Final = "index.json"
SHARD_KEY: Final = "shard.json.gz"

_SLOTS: Final[tuple[Slot, ...]] = ("a", "b")

PLACES: Final[tuple[Place, ...]] = tuple((number, slot) for number in range(SHARDS) for slot in _SLOTS)
"""Every place that a shard can be in."""


def index_name(gateway: str) -> str:
    """The ConfigMap with the index, in `data` under INDEX_KEY. `gateway` is the gateway's name, as its label has it."""
    return f"{gateway}-config"


def shard_name(gateway: str, place: Place) -> str:
    """The ConfigMap with the shard in one place, in `binaryData` under SHARD_KEY."""
    number, slot = place
    return f"{gateway}-config-{number}-{slot}"


def credentials_name(gateway: str) -> str:
    """The Secret with all credentials, each under its CredentialRef's data_key."""
    return f"{gateway}-credentials"


def callers_name(gateway: str) -> str:
    """The Secret with the callers' keys; the user's own, never written."""
    return f"{gateway}-keys"
