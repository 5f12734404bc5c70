"""What the tests with clients of others share."""

from collections.abc import Iterator

import pytest
import pytest_asyncio

from tests.support.live import Site, live


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One loop for LangChain's tests: it keeps the connections of its clients beyond a test."""
    for item in items:
        if item.path.name == "test_langchain.py" and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="module"), append=False)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A gateway in front of every provider of the model server."""
    with live() as running:
        yield running
