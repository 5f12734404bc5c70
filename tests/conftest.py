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


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compares a text with a file below tests/golden."""
    return Golden(Path(__file__).parent / "golden", rewrite=request.config.getoption("--rewrite-golden"))
