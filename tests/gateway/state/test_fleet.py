"""Several processes, two hundred askers, one count: nothing is granted twice, nothing is lost."""

import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.support.limit_asker import CALLS, HOLDER, PLACES, TOKENS
from tests.support.redis_server import RedisServer

ROOT = Path(__file__).parents[3]
PROCESSES, ASKERS = 4, 200


def asked(server: RedisServer, gateway: str) -> list[dict[str, Any]]:
    """What each of the processes got; they begin together."""
    with ExitStack() as stack:
        started = []
        for seed in range(PROCESSES):
            words = (str(server.port), gateway, str(ASKERS // PROCESSES), str(seed))
            command = (sys.executable, "-m", "tests.support.limit_asker", *words)
            process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            started.append(stack.enter_context(process))
        for one in started:
            assert one.stdout is not None
            assert one.stdout.readline() == "ready\n"
        for one in started:
            assert one.stdin is not None
            one.stdin.write("go\n")
            one.stdin.flush()
        return [json.loads(one.communicate(timeout=60)[0]) for one in started]


def most_at_once(intervals: list[tuple[float, float]]) -> int:
    """How many of them overlap."""
    steps = sorted([(begin, 1) for begin, _ in intervals] + [(end, -1) for _, end in intervals])
    most = now = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return most


def test_the_count_of_many_processes_is_exact(redis_server: RedisServer, gateway: str) -> None:
    """Calls: exactly as many as there are. Tokens: more only by what those under way had estimated too low, and under
    way are no more than there are places.
    """
    seen = asked(redis_server, gateway)
    key = f"{{sluice/{gateway}/{HOLDER}}}"
    counted = {
        limit.name: int(redis_server.call("GET", f"{key}{limit.unit}/{limit.name}/day/UTC/").split()[2])
        for limit in (CALLS, TOKENS)
    }
    used = sum(sum(one["used"]) for one in seen)
    assert sum(one["granted"].get("calls", 0) for one in seen) == CALLS.most
    assert counted == {"calls": CALLS.most, "tokens": used}
    too_low = sorted((short for one in seen for short in one["short"]), reverse=True)
    assert TOKENS.most / 2 < used <= TOKENS.most + sum(too_low[: PLACES.most])
    assert redis_server.call("ZCARD", f"{key}concurrent/places/") == 0
    assert most_at_once([interval for one in seen for interval in one["places"]]) <= PLACES.most
    assert sum("tokens" in one["granted"] for one in seen) >= 2  # the machine may let one of them begin late
    assert all({"calls", "tokens"} <= set(one["refused"]) for one in seen)
