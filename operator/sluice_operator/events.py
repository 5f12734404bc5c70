"""Events on gateways' Deployments: what keeps a configuration from being written. Few: one for each distinct change."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from sluice_operator.kube.api import FIELD_MANAGER, Api
from sluice_operator.kube.kinds import EVENT, Document, metadata_of

LONGEST: Final = 1024
"""Characters of a message, by Kubernetes' own rule."""


class Events:
    """Tells each thing once, until it is over and happens again. ``now`` is the time to write down."""

    def __init__(self, api: Api, identity: str, now: Callable[[], datetime]) -> None:
        self._api, self._identity, self._now = api, identity, now
        self._told: dict[tuple[str, str], str] = {}

    async def tell(self, deployment: Document, reason: str, message: str) -> None:
        """Write a warning, unless it was the last one of its reason. Raises KubeError."""
        metadata = metadata_of(deployment)
        key = (metadata["uid"], reason)
        if self._told.get(key) == message:
            return
        time = self._now().strftime("%Y-%m-%dT%H:%M:%SZ")
        about = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
        }
        event = EVENT.document(metadata["namespace"], "") | {
            "metadata": {"namespace": metadata["namespace"], "generateName": f"{metadata['name']}."},
            "involvedObject": about,
            "type": "Warning",
            "reason": reason,
            "message": message[:LONGEST],
            "source": {"component": FIELD_MANAGER},
            "reportingComponent": FIELD_MANAGER,
            "reportingInstance": self._identity,
            "firstTimestamp": time,
            "lastTimestamp": time,
            "count": 1,
        }
        await self._api.create(event)
        self._told[key] = message

    def over(self, deployment: Document, *reasons: str) -> None:
        """What the reasons stand for holds no more."""
        for reason in reasons:
            self._told.pop((metadata_of(deployment)["uid"], reason), None)
