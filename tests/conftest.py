"""What all tests share: the flag that rewrites golden files, and how hypothesis runs."""

from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.golden import Golden

pytest_plugins = ["tests.support.cluster"]

# The same examples in each run: a failure that comes and goes belongs to nobody's change.
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.load_profile("repeatable")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite-golden", action="store_true", help="write what the tests got into their golden files")


LONGEST = (  # with real pods, which are mostly waited for: begun last, they would leave the other workers with nothing
    "tests/e2e/cluster/test_resources.py",
    "tests/e2e/cluster/test_faults.py",
    "tests/e2e/cluster/test_state.py",
    "tests/e2e/cluster/test_playground.py",
    "tests/e2e/cluster/test_namespaced.py",
    "tests/operator/test_faults.py",
    "tests/manifests/test_install.py",
    "tests/operator/test_whole_cluster.py",
    "tests/operator/test_wrong_resources.py",
    "tests/e2e/test_laptop.py",
)
"""The files that take longest, in the order in which they are begun."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first. Workers take whole files in this order, or what shares an expensive fixture."""
    places = {file: place for place, file in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(_file(item), len(places)))
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(_file(item)))


def _file(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compares a text with a file below tests/golden."""
    return Golden(Path(__file__).parent / "golden", rewrite=request.config.getoption("--rewrite-golden"))
