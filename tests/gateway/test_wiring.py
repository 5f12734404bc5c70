"""What the parts of a process tell each other, seen from outside."""

from tests.support.gateway import HELLO, gateway, loaded, provider, route
from tests.support.upstream import json_answer, says, serve

BROKEN = json_answer({"error": {"message": "boom"}}, 500)
TAKEN = json_answer({})
SECRET = "token=a-secret-of-the-webhook"


async def test_a_webhook_hears_of_breakers_and_of_routes_that_nobody_serves() -> None:
    async with serve(says(BROKEN)) as bad, serve(says(TAKEN)) as hook:
        text = provider("only", bad.url, circuitBreaker={"failureThreshold": 1}) + route("chat", "only/m")
        async with gateway(text, alert_webhook=f"{hook.url}/hook?{SECRET}") as sluice:
            for _ in range(3):
                await sluice.post()
            await sluice.post({"provider": "default/only"}, "/admin/breakers/reset")
            await hook.until(lambda: len(hook.requests) == 3)
            told = [request.json() for request in hook.requests]
            log = sluice.log_text()
    assert hook.requests[0].target == f"/hook?{SECRET}"
    assert [(one["event"], one.get("model"), one.get("route"), one.get("by_hand")) for one in told] == [
        ("breaker_open", "m", None, False),
        ("route_down", None, "default/chat", None),
        ("breaker_closed", "m", None, True),
    ]
    assert log.count('"event":"alert"') == 3
    assert SECRET not in log


async def test_what_was_set_by_hand_holds_over_reloads() -> None:
    text = provider("a") + provider("b") + route("chat", "a/m", "b/m")
    async with gateway(text) as sluice:
        await sluice.post({"provider": "default/a", "seconds": 60}, "/admin/breakers/open")
        for other in (provider("b") + route("chat", "b/m"), text + route("more", "a/n", models=("more",))):
            await sluice.send(loaded(other))
        served, _ = await sluice.post()
        refused, _ = await sluice.post(HELLO | {"model": "more"})
    assert served.headers["x-sluice-target"] == "b/m"
    assert refused.status == 503
