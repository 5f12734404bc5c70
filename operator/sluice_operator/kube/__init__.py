"""The Kubernetes API: the one place that speaks HTTP to it. Values in, plain documents or errors of ours out."""

from sluice_operator.kube.access import Access
from sluice_operator.kube.api import Api, Stub
from sluice_operator.kube.errors import (
    Conflict,
    Expired,
    Forbidden,
    KubeError,
    NotFound,
    Rejected,
    ServerFault,
    Unauthorized,
    Unreachable,
)
from sluice_operator.kube.kinds import Document, Kind, metadata_of

__all__ = [
    "Access",
    "Api",
    "Conflict",
    "Document",
    "Expired",
    "Forbidden",
    "Kind",
    "KubeError",
    "NotFound",
    "Rejected",
    "ServerFault",
    "Stub",
    "Unauthorized",
    "Unreachable",
    "metadata_of",
]
