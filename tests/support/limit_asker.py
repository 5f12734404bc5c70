"""A gateway's share of limits as a process of its own: many askers at once, and what they got.

    python -m tests.support.limit_asker PORT GATEWAY ASKERS SEED

Says ``ready``, waits for a line, and prints a JSON object.
"""

import asyncio
import json
import random
import sys
import time
from collections import Counter
from typing import Any

import uvloop

from sluice_gateway.limits.contract import Charge, Limit, Refused, Unit, Used
from sluice_gateway.settings import StateAddress
from sluice_gateway.state.fleet import State
from sluice_gateway.state.shared import SharedStore
from sluice_gateway.telemetry.log import make_logger

HOLDER = "ModelRoute/default/chat"
CALLS = Limit(HOLDER, "calls", Unit.REQUESTS, 400, "day")
TOKENS = Limit(HOLDER, "tokens", Unit.TOKENS, 60_000, "day")
PLACES = Limit(HOLDER, "places", Unit.PLACES, 60)
MOST_ESTIMATED, MOST_USED = 400, 500
PATIENCE = 10.0


class Asker:
    """One of many: asks for a limit until there is no more of it, and uses what it gets for a moment."""

    def __init__(self, store: SharedStore, chance: random.Random, seen: dict[str, Any]) -> None:
        self._store = store
        self._chance = chance
        self._seen = seen

    async def run(self) -> None:
        """First calls, then tokens."""
        for limit in (CALLS, TOKENS):
            while await self._went_on(limit):
                pass

    async def _went_on(self, limit: Limit) -> bool:
        estimate = self._chance.randint(1, MOST_ESTIMATED) if limit is TOKENS else 1
        answer = await self._store.reserve((Charge(limit, estimate), Charge(PLACES, 1)))
        if isinstance(answer, Refused):
            self._seen["refused"][answer.limit.name] += 1
            await asyncio.sleep(self._chance.random() * 0.02)
            return answer.limit is PLACES
        began, used = time.monotonic(), self._chance.randint(0, MOST_USED)
        await asyncio.sleep(self._chance.random() * 0.01)
        self._seen["granted"][limit.name] += 1
        if limit is TOKENS:
            self._seen["used"].append(used)
            self._seen["short"].append(max(0, used - estimate))
        self._seen["places"].append((began, time.monotonic()))
        self._store.settle(answer, Used(used))
        return True


async def main(port: int, gateway: str, askers: int, seed: int) -> None:
    """All askers, from the word to the end."""
    state = State(StateAddress(host="127.0.0.1", port=port), gateway, make_logger(), patience=PATIENCE)
    await state.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    seen: dict[str, Any] = {"granted": Counter(), "refused": Counter(), "used": [], "short": [], "places": []}
    chances = [random.Random(f"{seed} {number}") for number in range(askers)]
    await asyncio.gather(*(Asker(state.store, chance, seen).run() for chance in chances))
    await state.store.reserve((Charge(CALLS, 0),))  # what is still to be settled goes ahead of it
    await state.close()
    sys.stdout.write(json.dumps(seen) + "\n")


if __name__ == "__main__":
    _, port, name, askers, seed = sys.argv
    uvloop.run(main(int(port), name, int(askers), int(seed)))
