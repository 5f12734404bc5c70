"""Events on gateways' Deployments: what keeps a configuration from being written. Few: one for each distinct change."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from sluice_operator.kube.api import FIELD_MANAGER
from sluice_operator.kube.kinds import EVENT, Document, metadata_of
from sluice_operator.writing import Writer

LONGEST: Final = 1024
"""Characters of a message, by Kubernetes' own rule."""


class Events:
    """Tells each thing once, until it is over and happens again. ``now`` is the time to write down."""

    def __init__(self, writer: Writer, identity: str, now: Callable[[], datetime]) -> None:
        self._writer, self._identity, self._now = writer, identity, now
        self._told: dict[tuple[str, str], str] = {}

    async def tell(self, deployment: Document, reason: str, message: str) -> None:
        """Write a warning, unless it was the last of its reason; no message means that it is over. Raises KubeError."""
        metadata = metadata_of(deployment)
        key = (metadata["uid"], reason)
        if not message:
            self._told.pop(key, None)
        if not message or self._told.get(key) == message:
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
        self._told[key] = message  # whatever comes of it: what can't be told is not tried for ever
        await self._writer.create(event)
