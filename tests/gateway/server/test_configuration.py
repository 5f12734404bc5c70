"""What is served changes between two requests; running ones keep what they began with; a refusal changes nothing."""

import asyncio
import json

from sluice_config.findings import Finding, Level
from sluice_config.resources.base import ResourceKey
from sluice_gateway.sources.source import Loaded, LocatedFinding, Refused
from tests.support.gateway import CHAT, HELLO, gateway, loaded, provider, route
from tests.support.upstream import LAST_CHUNK, Peer, Request, answer, chunk, says, serve, stream_head

MOCK = provider("mock") + route("chat", "mock")
FAULT = LocatedFinding(
    Finding(ResourceKey("ModelRoute", "default", "chat"), "spec.models", Level.ERROR, "Invalid", "must not be empty"),
    "chat.yaml",
    7,
)
REFUSED = Refused("1 error", (FAULT,))


async def test_the_next_request_sees_the_change() -> None:
    async with gateway(MOCK) as sluice:
        before, _ = await sluice.post()
        await sluice.send(loaded(provider("other") + route("chat", "other")))
        after, _ = await sluice.post()
        assert (await sluice.post({"model": "nobody"}))[0].status == 404
    assert (before.headers["x-sluice-target"], after.headers["x-sluice-target"]) == ("mock/chat", "other/chat")
    assert before.headers["x-sluice-config"] != after.headers["x-sluice-config"]


async def test_a_deleted_route_is_404() -> None:
    async with gateway(MOCK) as sluice:
        await sluice.send(loaded(provider("mock")))
        response, body = await sluice.post()
    assert (response.status, body["error"]["code"]) == (404, "model_not_found")


async def test_a_running_stream_is_not_touched() -> None:
    changed = asyncio.Event()
    frame = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'

    async def script(peer: Peer, request: Request) -> None:
        await peer.send(stream_head(), chunk(b'data: {"choices":[]}\n\n'))
        await changed.wait()
        await peer.send(chunk(frame), chunk(b"data: [DONE]\n\n"), LAST_CHUNK)

    async with serve(script) as upstream, gateway(provider("up", upstream.url) + route("chat", "up/gpt")) as sluice:
        async with sluice.session.post(sluice.url + CHAT, json=HELLO | {"stream": True}) as response:
            await response.content.readuntil(b"\n\n")
            await sluice.send(loaded(MOCK))
            assert (await sluice.post())[0].headers["x-sluice-target"] == "mock/chat"
            changed.set()
            assert await response.read() == frame + b"data: [DONE]\n\n"


async def test_a_refusal_keeps_the_last_good_one_and_says_why() -> None:
    async with gateway(MOCK) as sluice:
        await sluice.send(REFUSED)
        assert (await sluice.post())[0].status == 200
        assert (await sluice.get("/ready"))[0].status == 200
        _, config = await sluice.get("/internal/config")
        assert config["refused"]["reason"] == "1 error"
        [finding] = config["refused"]["findings"]
        assert (finding["file"], finding["line"], finding["field"], finding["message"]) == (
            "chat.yaml",
            7,
            "spec.models",
            "must not be empty",
        )
        assert "chat.yaml:7" in sluice.log_text()
        await sluice.send(loaded(MOCK))
        assert (await sluice.get("/internal/config"))[1]["refused"] is None


async def test_nothing_to_serve_is_not_ready() -> None:
    async with gateway(REFUSED) as sluice:
        for path in ("/ready", "/v1/models"):
            response, body = await sluice.get(path)
            assert (response.status, body["error"]["code"]) == (503, "not_ready")
        assert (await sluice.post())[1]["error"]["code"] == "not_ready"
        assert (await sluice.get("/health"))[0].status == 200
        await sluice.send(loaded(MOCK))
        assert (await sluice.get("/ready"))[0].status == 200


async def test_config_says_what_is_served() -> None:
    async with gateway(MOCK) as sluice:
        response, config = await sluice.get("/internal/config")
        asked, _ = await sluice.post()
    [event] = sluice.taken
    assert response.headers["content-type"] == "application/json"
    assert isinstance(event, Loaded)
    assert config["digest"] == event.digest
    assert config["digest"].removeprefix("sha256:").startswith(asked.headers["x-sluice-config"])
    assert config["resources"] == {"ModelRoute": 1, "ProviderPolicy": 1, "CachePolicy": 0}
    assert (config["gateway"], config["schemaVersion"], config["origin"]) == ("default/sluice-gateway", 1, "test")


async def test_a_rotated_key_is_used_by_the_next_request() -> None:
    async with serve(says(answer(200, b"{}"))) as upstream:
        text = provider("up", upstream.url, credentials={"secretRef": {"name": "up", "key": "api-key"}}) + route(
            "chat", "up/gpt"
        )
        async with gateway(loaded(text, keys={"up": "sk-old"})) as sluice:
            await sluice.post()
            before = (await sluice.get("/internal/config"))[1]
            await sluice.send(loaded(text, keys={"up": "sk-new"}))
            await sluice.post()
            after = (await sluice.get("/internal/config"))[1]
    assert [request.headers["authorization"] for request in upstream.requests] == ["Bearer sk-old", "Bearer sk-new"]
    assert before["digest"] == after["digest"]
    assert before["credentialsRevision"] != after["credentialsRevision"]


async def test_a_planted_key_is_shown_nowhere() -> None:
    canary = "sk-canary-7f3a"
    refusal = json.dumps({"error": {"message": f"bad request with key {canary}"}}).encode()
    async with serve(
        says(answer(400, refusal), answer(500, refusal), answer(401, refusal), answer(200, b"x" + canary.encode()))
    ) as upstream:
        text = provider("up", upstream.url, credentials={"secretRef": {"name": "up", "key": "api-key"}}) + route(
            "chat", "up/gpt"
        )
        async with gateway(loaded(text, keys={"up": canary}, callers={"team": "caller-canary-1"}), auth=True) as sluice:
            headers = {"authorization": "Bearer caller-canary-1"}
            bodies = [json.dumps((await sluice.post(headers=headers))[1]) for _ in range(4)]
            for path in ("/metrics", "/internal/config", "/v1/models", "/ready"):
                async with sluice.session.get(sluice.url + path, headers=headers) as response:
                    bodies.append(await response.text())
            shown = "\n".join(bodies) + sluice.log_text() + repr(sluice.taken) + repr(vars(sluice.process))
    assert len(upstream.requests) == 4
    assert "canary" not in shown
    assert "127.0.0.1" not in "".join(bodies[:4])


async def test_a_provider_that_cannot_be_called_stays_out_alone() -> None:
    """Here, for a key that no header can carry."""
    text = provider("up", "http://127.0.0.1:9", credentials={"secretRef": {"name": "up", "key": "api-key"}}) + route(
        "chat", "up/gpt"
    )
    async with gateway(MOCK) as sluice:
        both = text.replace("chat", "broken") + provider("other") + route("chat", "up/gpt", "other")
        event = loaded(both, keys={"up": "sk-canary\nx-evil: 1"})
        await sluice.send(event)
        assert (await sluice.post())[0].headers["x-sluice-target"] == "other/chat"
        assert (await sluice.post({"model": "broken"}))[1]["error"]["code"] == "model_not_found"
        _, config = await sluice.get("/internal/config")
        assert config["digest"] == config["refused"]["digest"] == event.digest
        assert "authorization" in config["refused"]["reason"]
        [finding] = config["refused"]["findings"]
        assert (finding["kind"], finding["name"], finding["level"]) == ("ProviderPolicy", "up", "error")
        assert '"provider left out"' in sluice.log_text()
        assert "canary" not in json.dumps(config) + sluice.log_text()
        await sluice.send(loaded(MOCK))
        assert (await sluice.get("/internal/config"))[1]["refused"] is None


async def test_a_policys_headers_replace_ours_but_not_what_the_body_needs() -> None:
    headers = [{"name": "User-Agent", "value": "acme/1"}, {"name": "x-team", "value": "blue"}]
    async with serve(says(answer(200, b"{}"))) as upstream:
        async with gateway(provider("up", upstream.url, headers=headers) + route("chat", "up/gpt")) as sluice:
            await sluice.post()
    assert upstream.requests[0].headers["user-agent"] == "acme/1"
    assert upstream.requests[0].headers["content-type"] == "application/json"
