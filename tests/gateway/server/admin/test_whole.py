"""The admin paths of a whole gateway: what is set there is what requests meet."""

from pathlib import Path
from typing import Any

from sluice_gateway.settings import Address
from tests.support.gateway import HELLO, RunningGateway, gateway, provider, route
from tests.support.upstream import Peer, Request, answer, json_answer, says, serve

TWO: dict[str, Any] = {
    "models": ("chat",),
    "limits": [{"name": "all", "per": "route", "requests": 100, "window": "day"}],
}


async def ask(sluice: RunningGateway, path: str, body: Any = None) -> tuple[int, Any]:
    if body is None:
        response, answered = await sluice.get(path)
    else:
        response, answered = await sluice.post(body, path)
    return response.status, answered


async def served_by(sluice: RunningGateway) -> str:
    response, _ = await sluice.post(HELLO)
    return response.headers["x-sluice-target"]


async def test_a_target_is_taken_out_and_put_back() -> None:
    async with gateway(provider("a") + provider("b") + route("one", "a/m", "b/m", **TWO)) as sluice:
        assert await served_by(sluice) == "a/m"
        opened = {"provider": "default/a", "seconds": 60}
        assert (await ask(sluice, "/admin/breakers/open", opened))[1]["models"] == ["m"]
        assert await served_by(sluice) == "b/m"
        _, explained = await ask(sluice, "/admin/explain", {"request": HELLO})
        assert explained["answer"] == "from b/m"
        out = next(one for one in explained["targets"] if one["target"] == "a/m")
        assert (out["tried"], "circuit breaker open" in out["because"]) == (False, True)
        _, report = await ask(sluice, "/internal/report")
        [breaker] = report["breakers"]
        assert breaker | {"secondsLeft": 60} == {
            "provider": "default/a",
            "model": "m",
            "state": "open",
            "secondsLeft": 60,
            "byHand": True,
            "routes": ["default/one"],
        }
        await ask(sluice, "/admin/breakers/reset", {"provider": "default/a"})
        assert await served_by(sluice) == "a/m"
        assert (await ask(sluice, "/internal/report"))[1]["breakers"] == []


async def test_a_breaker_that_has_opened_by_itself_is_closed_by_hand() -> None:
    async def fails(peer: Peer, request: Request) -> None:
        await peer.send(answer(500, b"{}"))

    policy: dict[str, Any] = {"circuitBreaker": {"failureThreshold": 1}, "retry": {"maxRetries": 0}}
    async with serve(fails) as upstream:
        async with gateway(provider("up", upstream.url, **policy) + route("one", "up/m", **TWO)) as sluice:
            assert (await sluice.post(HELLO))[0].status == 502
            assert (await sluice.post(HELLO))[0].status == 503
            _, body = await ask(sluice, "/admin/breakers")
            assert [(one["state"], one["byHand"], one["opened"]) for one in body["breakers"]] == [("open", False, 1)]
            await ask(sluice, "/admin/breakers/close", {"provider": "default/up", "model": "m", "seconds": 60})
            for _ in range(3):
                assert (await sluice.post(HELLO))[0].status == 502


async def test_what_was_used_is_shown() -> None:
    async with serve(says(json_answer({"choices": []}))) as upstream:
        limited = provider("up", upstream.url, rateLimit={"requestsPerMinute": 60, "maxConcurrent": 9})
        async with gateway(limited + route("one", "up/m", **TWO)) as sluice:
            for _ in range(2):
                await sluice.post(HELLO)
            _, body = await ask(sluice, "/admin/limits")
            assert [(one["name"], one["remaining"]) for one in body["limits"]] == [("all", 98)]
            _, body = await ask(sluice, "/admin/providers")
            [one] = body["providers"]
            assert [(level["name"], level["most"]) for level in one["limits"]] == [
                ("requestsPerMinute", 60),
                ("maxConcurrent", 9),
            ]
            assert 58 <= one["limits"][0]["remaining"] <= 59
            assert one["requests"] == {"inside": 0, "waiting": 0}
            assert [(target["model"], target["attempts"]) for target in one["targets"]] == [("m", 2)]


async def test_a_pod_is_closed_without_a_token(tmp_path: Path) -> None:
    text, internal = provider("a") + route("one", "a/m", **TWO), Address("127.0.0.1", 0)
    async with gateway(text, internal_listen=internal) as sluice:
        response, body = await sluice.get_internal("/admin/breakers")
        assert (response.status, body["error"]["code"]) == (403, "admin_closed")
    (tmp_path / "token").write_text("the-token\n")
    async with gateway(text, internal_listen=internal, admin_token_file=tmp_path / "token") as sluice:
        assert (await sluice.get_internal("/admin/breakers"))[0].status == 401
        async with sluice.session.get(
            f"{sluice.internal_url}/admin/breakers", headers={"authorization": "Bearer the-token"}
        ) as allowed:
            assert allowed.status == 200
        assert (await sluice.get("/admin/breakers"))[0].status == 404
        assert "the-token" not in sluice.log_text()
