"""The operator's own client of the real API server."""

from collections.abc import AsyncIterator

import pytest

from sluice_operator.kube import Access, Api
from tests.support.cluster import ControlPlane


@pytest.fixture
async def kube(control_plane: ControlPlane) -> AsyncIterator[Api]:
    """With the administrator's rights."""
    api = Api(await Access.find(control_plane.kubeconfig))
    yield api
    await api.close()
