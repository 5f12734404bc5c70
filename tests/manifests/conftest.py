"""A cluster of their own for tests that install the whole of it: they take kinds away that others need."""

import os
from collections.abc import Iterator

import pytest

from tests.cluster.keeper import kept
from tests.support.cluster import ControlPlane, available_programs


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane without anything of Sluice's."""
    programs = available_programs(os.environ)
    with kept(tmp_path_factory.mktemp("bare"), with_node=False) as cluster:
        plane = ControlPlane(cluster, programs / "kubectl")
        yield plane
        plane.api.close()
