"""A cluster with real pods from both images, one for all tests of a run that only look at it or put it right again."""

import os
from collections.abc import Iterator

import pytest

from tests.cluster.keeper import kept
from tests.support.cluster import available_programs
from tests.support.installation import Installation


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Sluice as a user installs it, with its samples."""
    programs = available_programs(os.environ)
    with kept(tmp_path_factory.mktemp("installation"), with_node=True) as cluster:
        one = Installation(cluster, programs / "kubectl")
        one.install()
        yield one
        one.api.close()
