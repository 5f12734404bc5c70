"""How full limits are, as the store that counts has it; asking takes nothing."""

from sluice_gateway.limits.contract import Granted, Used
from tests.support.admin import admin
from tests.support.gateway import provider, route

LIMITS = [
    {"name": "all", "per": "route", "requests": 10, "window": "minute"},
    {"name": "each", "per": "consumer", "tokens": 500, "window": "day", "timeZone": "Europe/Berlin"},
    {"name": "streams", "per": "route", "concurrent": 3},
]
RATE = {"requestsPerMinute": 60, "tokensPerMinute": 6000, "maxConcurrent": 2}
ONE = provider("a", rateLimit=RATE) + provider("b") + route("one", "a/small", "b/small", limits=LIMITS)
FREE = route("free", "b/small", models=("free",))
HOLDER = {"holder": "ModelRoute/default/one"}
ALL = HOLDER | {"name": "all", "consumer": "", "unit": "requests", "window": "minute", "most": 10}
STREAMS = HOLDER | {"name": "streams", "consumer": "", "unit": "concurrent", "window": None, "most": 3}
EACH = HOLDER | {"name": "each", "consumer": "team-a", "unit": "tokens", "window": "day", "most": 500}
UNTOLD = {"remaining": None, "resetSeconds": None}


async def test_limits_of_routes() -> None:
    async with admin(ONE, FREE) as (door, parts):
        assert parts.table is not None
        match = parts.table.match("chat")
        assert match is not None
        assert match.route.limits is not None
        granted = await parts.store.reserve(match.route.limits.charges("team-a", 120))
        assert isinstance(granted, Granted)
        for _ in range(2):
            status, body = await door.ask("/admin/limits")
            assert (status, body["more"]) == (200, 0)
            assert body["limits"] == [ALL | {"remaining": 9, "resetSeconds": 20.0}, STREAMS | UNTOLD]
        parts.store.settle(granted, Used(tokens=100))
        _, body = await door.ask("/admin/limits?route=default/one&consumer=team-a")
        assert body["limits"][1] | {"resetSeconds": 0} == EACH | {"remaining": 400, "resetSeconds": 0}
        _, body = await door.ask("/admin/limits?consumer=team-b")
        assert [one["remaining"] for one in body["limits"]] == [9, 500, None]


async def test_a_route_without_limits_is_told_from_those_that_have_some() -> None:
    async with admin(ONE, FREE) as (door, _):
        for name in ("default/free", "default/nowhere"):
            status, body = await door.ask(f"/admin/limits?route={name}")
            assert (status, body["error"]["param"]) == (404, "route")
            assert body["error"]["message"].endswith("only default/one")


async def test_queries_are_read_strictly() -> None:
    async with admin(ONE) as (door, _):
        for query, param in (("model=x", "model"), ("route=", "route"), ("consumer=%0a", "consumer")):
            status, body = await door.ask(f"/admin/limits?{query}")
            assert (status, body["error"]["param"]) == (400, param)
        assert (await door.ask(f"/admin/limits?consumer={'x' * 321}"))[0] == 400


async def test_of_many_routes_some_are_shown() -> None:
    many = "".join(route(f"r{number:03}", "a/small", models=(f"m{number}",), limits=LIMITS) for number in range(101))
    async with admin(provider("a") + many) as (door, _):
        _, body = await door.ask("/admin/limits")
        assert (len(body["limits"]), body["more"]) == (200, 1)
        _, body = await door.ask("/admin/limits?route=default/r100")
        assert (len(body["limits"]), body["more"]) == (2, 0)
