"""The operator's own client of the real API server, and a namespace of it to run operators for."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sluice_operator.kube import Access, Api
from tests.support.cluster import ControlPlane
from tests.support.site import Site
from tests.support.warm import Warm, warm


@pytest.fixture(scope="session")
def operators() -> Iterator[Warm]:
    """Where operators come from, for all tests."""
    with warm() as one:
        yield one


@pytest.fixture
async def kube(control_plane: ControlPlane) -> AsyncIterator[Api]:
    """With the administrator's rights."""
    api = Api(Access.find(control_plane.kubeconfig))
    yield api
    await api.close()


@pytest.fixture
def site(sluice_api: ControlPlane, namespace: str, tmp_path: Path, operators: Warm) -> Iterator[Site]:
    """This test's namespace. The operators that it starts end with it."""
    with ExitStack() as stack:
        yield Site(sluice_api, namespace, tmp_path, stack, operators)
