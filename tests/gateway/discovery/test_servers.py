"""What servers say of their models over HTTP, through a running gateway: lists, loaded models, slots, health, lies."""

import asyncio
import json
from typing import Any

import pytest

from tests.support.gateway import HELLO, RunningGateway, gateway, loaded, provider, route
from tests.support.upstream import Peer, Request, ScriptedUpstream, answer, json_answer, serve

ON = {"enabled": True, "intervalSeconds": 10}
TAGS = {"models": [{"name": "llama3:latest", "model": "llama3:latest"}, {"name": "qwen3:8b"}]}
RUNNING = {"models": [{"name": "qwen3:8b", "context_length": 4096}]}
SERVED = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}


class Server:
    """Answers GET by path, and serves every chat. ``pages`` may change while it runs."""

    def __init__(self, **pages: Any) -> None:
        self.pages: dict[str, Any] = pages

    async def __call__(self, peer: Peer, request: Request) -> None:
        if request.method == "POST":
            await peer.send(json_answer(SERVED))
            return
        page = self.pages.get(request.target, 404)
        if isinstance(page, bytes):
            await peer.send(page)
        elif isinstance(page, int):
            await peer.send(answer(page))
        else:
            await peer.send(json_answer(page))


def server(**pages: Any) -> Server:
    return Server(**{"/" + path.replace("__", "/"): page for path, page in pages.items()})


def policy(vendor: str, upstream: ScriptedUpstream, name: str = "local", **spec: Any) -> str:
    return provider(name, upstream.url, provider=vendor, discovery=ON, **spec)


async def listed(sluice: RunningGateway) -> dict[str, dict[str, Any]]:
    await sluice.log_file.has('"event":"models listed"')
    _, body = await sluice.get("/v1/models")
    return {model["id"]: model for model in body["data"]}


async def report(sluice: RunningGateway) -> Any:
    return (await sluice.get("/internal/report"))[1]


async def test_ollama_lists_what_is_there_and_what_is_loaded() -> None:
    async with serve(server(api__tags=TAGS, api__ps=RUNNING)) as upstream:
        async with gateway(policy("ollama", upstream) + route("all", models=("*",))) as sluice:
            models = await listed(sluice)
            response, _ = await sluice.post(HELLO | {"model": "llama3"})
            _, by_short_name = await sluice.get("/v1/models/llama3")
    assert {name: model["loaded"] for name, model in models.items()} == {"llama3:latest": False, "qwen3:8b": True}
    assert models["qwen3:8b"]["context_window"] == 4096
    assert models["qwen3:8b"]["pricing"]["input_per_million"] == "0"
    assert models["qwen3:8b"]["availability"] == "available"
    assert (response.status, response.headers["x-sluice-target"]) == (200, "local/llama3")
    assert by_short_name["loaded"] is False


async def test_vllm_is_asked_for_its_health_and_its_models() -> None:
    pages = server(health=200, v1__models={"data": [{"id": "meta/llama", "max_model_len": 8192}, {"id": 7}, "x"]})
    async with serve(pages) as upstream:
        async with gateway(policy("vllm", upstream) + route("all", models=("*",))) as sluice:
            models = await listed(sluice)
    assert list(models) == ["meta/llama"]
    assert models["meta/llama"]["context_window"] == 8192
    assert [request.target for request in upstream.requests] == ["/health", "/v1/models"]


@pytest.mark.parametrize(("props", "slots"), [({"total_slots": 4}, 4), ({"total_slots": "4"}, None), (404, None)])
async def test_llamacpp_tells_its_slots(props: Any, slots: int | None) -> None:
    pages = server(
        health={"status": "ok"}, v1__models={"data": [{"id": "m", "meta": {"n_ctx_train": 32}}]}, props=props
    )
    async with serve(pages) as upstream:
        async with gateway(policy("llamacpp", upstream) + route("all", models=("*",))) as sluice:
            models = await listed(sluice)
            assert (await report(sluice))["discovery"] == [
                {"provider": "default/local", "models": 1, "slots": slots, "problem": None}
            ]
    assert models["m"]["context_window"] == 32


@pytest.mark.parametrize("vendor", ["llamacpp", "vllm"])
async def test_a_server_that_is_not_healthy_lists_nothing_and_says_so_once(vendor: str) -> None:
    async with serve(server(health=503)) as upstream:
        async with gateway(policy(vendor, upstream) + route("all", models=("*",))) as sluice:
            await sluice.log_file.has('"event":"models not listed"')
            assert (await report(sluice))["discovery"][0]["problem"] == "/health answers with status 503"
            assert (await sluice.get("/v1/models"))[1]["data"] == []
            assert (await sluice.post(HELLO | {"model": "m"}))[0].status == 404


async def test_cohere_has_pages_of_its_own() -> None:
    pages = server(**{"v1__models?page_size=1000": {"models": [{"name": "command-a", "context_length": 256000.0}]}})
    async with serve(pages) as upstream:
        text = provider("co", upstream.url, provider="cohere", baseURL=upstream.url, discovery=ON)
        async with gateway(text + route("all", models=("*",))) as sluice:
            models = await listed(sluice)
    assert models["command-a"]["context_window"] == 256000


async def test_a_groq_like_server_tells_limits_and_the_policy_wins() -> None:
    model = {"id": "gpt-oss", "context_window": 131072, "max_completion_tokens": 65536}
    async with serve(server(v1__models={"data": [model]})) as upstream:
        text = policy("openai-compatible", upstream, models=[{"name": "gpt-oss", "maxOutputTokens": 100}])
        async with gateway(text + route("all", models=("*",))) as sluice:
            models = await listed(sluice)
    assert (models["gpt-oss"]["context_window"], models["gpt-oss"]["max_output_tokens"]) == (131072, 100)


async def test_the_policys_key_and_headers_are_sent_and_never_shown() -> None:
    async with serve(server(v1__models=401)) as upstream:
        secret = {"secretRef": {"name": "k", "key": "api-key"}}
        headers = [{"name": "x-team", "value": "red"}]
        text = policy("openai-compatible", upstream, credentials=secret, headers=headers)
        async with gateway(loaded(text + route("all", models=("*",)), keys={"k": "sk-canary"})) as sluice:
            await sluice.log_file.has('"event":"models not listed"')
            document = json.dumps(await report(sluice))
            assert "sk-canary" not in sluice.log_text() + document
            assert str(upstream.port) not in document
        sent = upstream.requests[0].headers
        assert (sent["authorization"], sent["x-team"]) == ("Bearer sk-canary", "red")
        assert "content-type" not in sent


@pytest.mark.parametrize(
    ("page", "problem"),
    [
        ({"data": {}}, "the answer has no list data"),
        ([], "the answer is no JSON object"),
        (answer(200, b"<html>"), "the answer is not JSON"),
        (answer(200, b'{"data": "' + b"x" * 9_000_000 + b'"}'), "/models answers with more than 8388608 bytes"),
        (302, "/models answers with status 302"),
    ],
)
async def test_what_is_no_list_is_a_problem_that_is_told(page: Any, problem: str) -> None:
    async with serve(server(v1__models=page)) as upstream:
        async with gateway(policy("openai-compatible", upstream) + route("all", models=("*",))) as sluice:
            await sluice.log_file.has('"event":"models not listed"')
            assert (await report(sluice))["discovery"][0]["problem"] == problem


async def test_names_that_no_caller_could_send_are_passed_over() -> None:
    names = ["good", "", "x" * 300, "with\nline", None, ["list"], {"id": "nested"}]
    async with serve(server(v1__models={"data": [{"id": name} for name in names]})) as upstream:
        async with gateway(policy("openai-compatible", upstream) + route("all", models=("*",))) as sluice:
            assert list(await listed(sluice)) == ["good"]


async def test_limits_that_are_no_counts_are_unknown() -> None:
    models = [{"id": "m", "context_window": value, "max_completion_tokens": value} for value in (True, -1, "9", 1.5)]
    for model in models:
        async with serve(server(v1__models={"data": [model]})) as upstream:
            async with gateway(policy("openai-compatible", upstream) + route("all", models=("*",))) as sluice:
                shown = (await listed(sluice))["m"]
        assert shown["context_window"] is shown["max_output_tokens"] is None


async def test_a_listing_that_takes_long_holds_up_no_request() -> None:
    waiting = asyncio.Event()

    async def script(peer: Peer, request: Request) -> None:
        if request.method == "GET":
            waiting.set()
            await peer.stall()
        await peer.send(json_answer(SERVED))

    async with serve(script) as upstream:
        text = policy("openai-compatible", upstream, models=[{"name": "m"}])
        async with gateway(text + route("chat", "local/m")) as sluice:
            await waiting.wait()
            assert (await sluice.post())[0].status == 200


async def test_a_model_that_a_target_names_and_the_provider_lacks_is_reported() -> None:
    pages = server(v1__models={"data": [{"id": "there"}]})
    async with serve(pages) as upstream:
        text = policy("openai-compatible", upstream)
        routes = route("b", "local/gone", models=("b",)) + route("a", "local/gone", "local/there", models=("a",))
        named = route("c", "local", models=("exact", "there", "pre*"))
        async with gateway(text + routes + named) as sluice:
            await sluice.log_file.has('"event":"model not offered"', 2)
            assert (await report(sluice))["modelsNotOffered"] == [
                {"provider": "default/local", "model": "exact", "routes": ["default/c"]},
                {"provider": "default/local", "model": "gone", "routes": ["default/a", "default/b"]},
            ]
            _, shown = await sluice.get("/v1/models/b")
            _, other = await sluice.get("/v1/models/a")
            assert (await sluice.post(HELLO | {"model": "b"}))[0].status == 200
    assert (shown["availability"], shown["recommended"], other["availability"]) == ("unavailable", False, "available")


async def test_names_that_stand_for_a_listed_one_are_not_reported() -> None:
    pages = server(v1__models={"data": [{"id": "llama3:latest"}, {"id": "meta/llama"}]})
    async with serve(pages) as upstream:
        targets = route("a", "local/llama3", models=("a",)) + route("b", "local/meta/llama:fastest", models=("b",))
        async with gateway(policy("openai-compatible", upstream) + targets) as sluice:
            await sluice.log_file.has('"event":"models listed"')
            assert (await report(sluice))["modelsNotOffered"] == []


async def test_names_that_callers_add_to_are_no_labels_of_metrics() -> None:
    async with serve(server(v1__models={"data": [{"id": "meta/llama"}]})) as upstream:
        async with gateway(policy("openai-compatible", upstream) + route("all", models=("*",))) as sluice:
            await listed(sluice)
            for number in range(3):
                assert (await sluice.post(HELLO | {"model": f"meta/llama:made-up-{number}"}))[0].status == 200
            async with sluice.session.get(sluice.url + "/metrics") as response:
                assert "made-up" not in await response.text()


async def test_the_report_has_the_targets_that_were_asked() -> None:
    async with serve(server(v1__models={"data": [{"id": "m"}]})) as upstream:
        async with gateway(provider("up", upstream.url) + route("chat", "up/m")) as sluice:
            troubles = ("breakers", "unhealthy", "rejected", "modelsNotOffered")
            assert await report(sluice) == {key: [] for key in ("targets", "discovery", *troubles)}
            await sluice.post()
            [target] = (await report(sluice))["targets"]
    latency = target.pop("averageLatencyMilliseconds")
    assert target == {"provider": "default/up", "model": "m", "health": "healthy", "successRate": 1.0, "attempts": 1}
    assert 0 <= latency < 5000


@pytest.mark.parametrize(
    "spec", [{"provider": "mock"}, {"provider": "google", "google": {"vertex": {"project": "p", "location": "eu"}}}]
)
async def test_a_provider_that_has_no_list_says_so(spec: dict[str, Any]) -> None:
    async with gateway(provider("some", discovery=ON, **spec) + route("all", models=("*",))) as sluice:
        await sluice.log_file.has('"event":"models not listed"')
        [described] = (await report(sluice))["discovery"]
    assert described["problem"] == "this kind of provider has no list of models"
