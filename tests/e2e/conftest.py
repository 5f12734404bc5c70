"""What the tests with clients of others share."""

from collections.abc import Iterator

import pytest

from tests.support.live import Site, live


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A gateway in front of every provider of the model server."""
    with live() as running:
        yield running
