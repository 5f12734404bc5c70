"""The small pages: health, readiness, metrics, and the list of models; and who may see what."""

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.gateway import CHAT, HELLO, RunningGateway, gateway, loaded, provider, route
from tests.support.upstream import json_answer, says, serve

MODELS = [
    {
        "name": "gpt-4o-mini",
        "displayName": "GPT-4o mini",
        "contextWindow": 128000,
        "capabilities": ["chat", "tools"],
        "pricing": {"inputPerMillion": "0.15", "outputPerMillion": "0.60"},
    },
    {"name": "gpt-5"},
    {"name": "other"},
]
LISTED = (
    provider("mock", models=MODELS)
    + route("chat", "mock/gpt-4o-mini")
    + route("gpt", "mock", models=("gpt-*", "gpt-5-*"))
)


async def metrics_of(sluice: RunningGateway) -> dict[str, float]:
    async with sluice.session.get(sluice.url + "/metrics") as response:
        assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert response.headers["server"] == "sluice"
        text = await response.text()
    return {
        sample.name + str(sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_health_answers_as_long_as_the_process_does() -> None:
    async with gateway() as sluice:
        response, body = await sluice.get("/health")
        assert (response.status, body) == (200, {"status": "ok"})
        assert (await sluice.get("/ready"))[0].status == 503


async def test_names_are_listed_as_openai_does() -> None:
    async with gateway(LISTED) as sluice:
        _, body = await sluice.get("/v1/models")
    assert body["object"] == "list"
    assert [model["id"] for model in body["data"]] == ["chat", "gpt-4o-mini", "gpt-5"]
    assert all(model["object"] == "model" and isinstance(model["created"], int) for model in body["data"])


@pytest.mark.parametrize(("name", "status"), [("gpt-unlisted", 200), ("org/name", 404), ("nobody", 404), ("", 404)])
async def test_one_model_by_its_name(name: str, status: int) -> None:
    async with gateway(LISTED) as sluice:
        assert (await sluice.get(f"/v1/models/{name}"))[0].status == status


async def test_a_name_may_have_slashes() -> None:
    async with gateway(provider("mock") + route("llama", "mock", models=("meta/llama-3",))) as sluice:
        assert (await sluice.get("/v1/models/meta/llama-3"))[1]["id"] == "meta/llama-3"


async def test_a_route_without_targets_serves_what_providers_offer() -> None:
    async with gateway(provider("mock", models=MODELS) + route("all", models=("*",))) as sluice:
        assert [model["id"] for model in (await sluice.get("/v1/models"))[1]["data"]] == [
            "gpt-4o-mini",
            "gpt-5",
            "other",
        ]
        assert (await sluice.post(HELLO | {"model": "other"}))[0].headers["x-sluice-target"] == "mock/other"
        assert (await sluice.post(HELLO | {"model": "unknown"}))[0].status == 404


@pytest.mark.parametrize("rest", [{}, {"targets": [{"provider": "off"}]}, {"targets": [{"provider": "gone"}]}])
async def test_a_name_that_nothing_can_serve_is_not_listed(rest: dict[str, Any]) -> None:
    text = provider("mock", models=MODELS) + provider("off", enabled=False)
    async with gateway(
        text + route("gpt-5", "mock", models=("gpt-5",)) + route("lost", models=("lost",), **rest)
    ) as sluice:
        assert [model["id"] for model in (await sluice.get("/v1/models"))[1]["data"]] == ["gpt-5"]
        assert (await sluice.get("/v1/models/lost"))[0].status == 404


async def test_requests_attempts_and_tokens_are_counted() -> None:
    async with gateway(provider("mock") + route("chat", "mock/m")) as sluice:
        _, answer = await sluice.post()
        await sluice.post({"model": "nobody"})
        metrics = await metrics_of(sluice)
    labels = "('route', 'default/chat')"
    assert metrics[f"sluice_requests_total[('code', ''), {labels}, ('status', '200'), ('target', 'mock/m')]"] == 1
    assert (
        metrics["sluice_requests_total[('code', 'model_not_found'), ('route', ''), ('status', '404'), ('target', '')]"]
        == 1
    )
    assert metrics["sluice_attempts_total[('result', 'served'), ('target', 'mock/m')]"] == 1
    assert metrics[f"sluice_request_duration_seconds_count[{labels}]"] == 1
    assert metrics[f"sluice_time_to_first_byte_seconds_count[{labels}]"] == 1
    spoken = metrics[f"sluice_tokens_total[('kind', 'completion'), {labels}, ('target', 'mock/m')]"]
    assert spoken == answer["usage"]["completion_tokens"]
    assert metrics["sluice_config_loads_total[('result', 'loaded')]"] == 1
    assert metrics["sluice_in_flight_requests[]"] == 0


async def test_what_callers_send_is_never_a_label() -> None:
    """Names that nobody configured would let callers grow the memory."""
    async with gateway(provider("mock") + route("all", "mock", models=("*",))) as sluice:
        for number in range(50):
            await sluice.post(HELLO | {"model": f"made-up-{number}"})
        metrics = await metrics_of(sluice)
    assert not [name for name in metrics if "made-up" in name]


async def test_what_providers_say_is_never_a_label() -> None:
    refused = json_answer({"error": {"message": "no", "code": "made-up"}}, 422)
    async with serve(says(refused)) as upstream:
        async with gateway(provider("up", upstream.url) + route("chat", "up/gpt")) as sluice:
            _, body = await sluice.post()
            metrics = await metrics_of(sluice)
    assert body["error"]["code"] == "made-up"
    assert not [name for name in metrics if "made-up" in name]
    [counted] = [name for name in metrics if name.startswith("sluice_requests_total")]
    assert "('code', 'provider_refused')" in counted
    assert metrics["sluice_attempts_total[('result', 'caller'), ('target', 'up/gpt')]"] == 1


@pytest.mark.parametrize("path", [CHAT, "/v1/models", "/v1/models/chat"])
@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic key-one", "key-one"])
async def test_without_a_known_key_nothing_is_served(path: str, header: str | None) -> None:
    headers = {} if header is None else {"authorization": header}
    event = loaded(provider("mock") + route("chat", "mock"), callers={"one": "key-one"})
    async with gateway(event, auth=True) as sluice:
        method = "POST" if path == CHAT else "GET"
        async with sluice.session.request(
            method, sluice.url + path, json=HELLO if path == CHAT else None, headers=headers
        ) as response:
            body = await response.json()
        assert (response.status, body["error"]["code"]) == (401, "invalid_api_key")
        assert "wrong" not in body["error"]["message"]
        assert (await sluice.get("/health"))[0].status == 200


async def test_the_consumer_is_the_entrys_name() -> None:
    digest = "2a97516c354b68848cdbd8f54a226a0a55b21ed138e207ad6c5cbb9c00aa5aea"  # of "demo"
    event = loaded(provider("mock") + route("chat", "mock"), callers={"plain": "key-one", "hashed": f"sha256:{digest}"})
    async with gateway(event, auth=True) as sluice:
        for key in ("key-one", "demo"):
            response, _ = await sluice.post(headers={"authorization": f"Bearer {key}"})
            assert response.status == 200
        assert [line["consumer"] for line in await sluice.logged(2)] == ["plain", "hashed"]


async def test_a_base_url_without_its_version_is_recognised() -> None:
    async with gateway(provider("mock") + route("chat", "mock")) as sluice:
        response, body = await sluice.post(path="/chat/completions")
    assert response.status == 404
    assert body["error"]["message"].endswith("did you mean /v1/chat/completions?")


async def test_a_name_without_usable_targets_is_told_apart_from_no_name() -> None:
    async with gateway(provider("mock", enabled=False) + route("chat", "mock")) as sluice:
        messages = [(await sluice.get(f"/v1/models/{name}"))[1]["error"]["message"] for name in ("chat", "nobody")]
    assert messages == [
        "route default/chat serves 'chat', but has no target that can serve now; see /internal/config",
        "no route serves the model 'nobody'",
    ]
