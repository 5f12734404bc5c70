"""A cluster with real pods from both images: what ``make cluster`` makes, for all tests of a run.

They look at it or put it right again, but for the last of them, which takes Sluice away.
"""

import os
from collections.abc import Iterator

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.keeper import guarded
from tests.support.cluster import available_programs
from tests.support.installation import Installation
from tests.support.playground import Playground, playground_down, playground_up


@pytest.fixture(scope="session")
def playground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playground]:
    """A cluster to play with; taken away as a user does it, which leaves nothing."""
    available_programs(os.environ)
    folder = tmp_path_factory.mktemp("playground") / "cluster"
    with guarded(folder):
        yield playground_up(folder)
        playground_down(folder)
        assert not folder.exists()


@pytest.fixture(scope="session")
def installation(playground: Playground) -> Iterator[Installation]:
    """Sluice as a user installs it, with its samples."""
    kubectl = available_programs(os.environ) / "kubectl"
    one = Installation(Cluster(playground.folder), kubectl, (playground.folder / "gateway-key").read_text().strip())
    yield one
    one.api.close()
