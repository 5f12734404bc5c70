"""What all tests share: the flag that rewrites golden files, and how hypothesis runs."""

from pathlib import Path

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.support.golden import Golden

pytest_plugins = ["tests.support.cluster", "tests.support.redis_server"]

# The same examples in each run: a failure that comes and goes belongs to nobody's change.
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.load_profile("repeatable")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite-golden", action="store_true", help="write what the tests got into their golden files")


LONGEST = (  # with real pods, which are mostly waited for: begun last, they would leave the other workers with nothing
    "tests/e2e/cluster/test_playground.py",
    "tests/e2e/cluster/test_resources.py",
    "tests/e2e/cluster/test_faults.py",
    "tests/e2e/cluster/test_state.py",
    "tests/e2e/cluster/test_namespaced.py",  # takes the installation away
    "tests/operator/test_faults.py",
    "tests/manifests/test_install.py",
    "tests/operator/test_whole_cluster.py",
    "tests/operator/test_wrong_resources.py",
    "tests/e2e/test_laptop.py",
    "tests/cluster/test_node.py",
    "tests/gateway/commands/test_gateway_with_an_operator.py",
    "tests/gateway/commands/test_gateway_in_a_cluster.py",
    "tests/operator/test_operator.py",
    "tests/operator/test_steadiness.py",
    "tests/bench/test_soak.py",
    "tests/e2e/test_schemathesis.py",  # which computes all the time
)
"""The files that take longest, in the order in which they are begun."""
TOGETHER = frozenset(LONGEST[:5])
"""Files whose tests share one installation, and so one worker."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first."""
    places = {file: place for place, file in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(places)))


class ByFile(LoadScopeScheduling):
    """Gives whole files to workers, in their order, and what shares an installation to one of them."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "one installation" if file in TOGETHER else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    """For every run with several workers."""
    return ByFile(config, log)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compares a text with a file below tests/golden."""
    return Golden(Path(__file__).parent / "golden", rewrite=request.config.getoption("--rewrite-golden"))
