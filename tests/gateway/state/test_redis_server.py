"""Where no Redis can be had, tests say so: left out on a laptop, failed where they are required."""

from pathlib import Path

import pytest

from tests.cluster.preconditions import SWITCH
from tests.support.redis_server import RedisServer, available_programs


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is cached, and nothing is there to fetch it with."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.usefixtures("bare_machine")
@pytest.mark.parametrize(
    ("environment", "outcome"),
    [
        ({}, pytest.skip.Exception),
        ({"CI": "true"}, pytest.fail.Exception),
        ({SWITCH: "required"}, pytest.fail.Exception),
    ],
)
def test_a_machine_without_one_says_why(environment: dict[str, str], outcome: type[BaseException]) -> None:
    with pytest.raises(outcome, match="no Redis to test with: not installed: apt-get, dpkg"):
        available_programs(environment)


def test_it_stops_goes_on_dies_and_comes_again(redis_server: RedisServer) -> None:
    redis_server.call("SET", "there", "1")
    with redis_server.stopped():
        pass
    assert redis_server.call("GET", "there") == b"1"
    redis_server.kill()
    redis_server.start()
    assert redis_server.call("GET", "there") is None
