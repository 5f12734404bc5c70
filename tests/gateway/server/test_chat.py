"""A request to a model, from the caller's side, with a real provider on loopback behind the gateway."""

import json

import pytest

from tests.support.gateway import CHAT, HELLO, gateway, loaded, provider, route
from tests.support.upstream import answer, says, serve

ANSWER = b"""{"id":"x","choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}],
  "usage":{"prompt_tokens":3,"completion_tokens":1},"odd":1.50}"""


async def test_the_answer_is_the_providers_byte_for_byte() -> None:
    async with (
        serve(says(answer(200, ANSWER))) as upstream,
        gateway(provider("up", upstream.url) + route("chat", "up/gpt")) as sluice,
    ):
        async with sluice.session.post(sluice.url + CHAT, json=HELLO) as response:
            assert (response.status, await response.read()) == (200, ANSWER)
        assert response.headers["content-type"] == "application/json"
        assert response.headers["x-sluice-route"] == "default/chat"
        assert response.headers["x-sluice-target"] == "up/gpt"
        assert response.headers["x-sluice-attempts"] == "1"
        assert response.headers["server"] == "sluice"


async def test_the_request_is_the_callers_but_for_the_model() -> None:
    async with (
        serve(says(answer(200, ANSWER))) as upstream,
        gateway(provider("up", upstream.url) + route("chat", "up/gpt")) as sluice,
    ):
        body = b'{ "model":"chat", "temperature":1.00, "x_unknown":{"b":1,"a":2} }'
        headers = {"content-type": "application/json", "x-request-id": "mine-1"}
        async with sluice.session.post(sluice.url + CHAT, data=body, headers=headers) as response:
            assert response.headers["x-request-id"] == "mine-1"
        [request] = upstream.requests
        assert request.body == body.replace(b'"chat"', b'"gpt"')
        assert (request.method, request.target) == ("POST", "/v1/chat/completions")
        assert request.headers["x-request-id"] == "mine-1"


async def test_nothing_of_the_callers_headers_reaches_the_provider() -> None:
    async with (
        serve(says(answer(200, ANSWER))) as upstream,
        gateway(provider("up", upstream.url) + route("chat", "up/gpt")) as sluice,
    ):
        headers = {
            "authorization": "Bearer caller",
            "x-sluice-anything": "1",
            "cookie": "a=b",
            "x-custom": "1",
            "te": "trailers",
        }
        await sluice.post(headers=headers)
        assert not {"authorization", "x-sluice-anything", "cookie", "x-custom", "te"} & set(
            upstream.requests[0].headers
        )


async def test_the_gateways_own_key_and_headers_go_to_the_provider() -> None:
    documents = provider(
        "up",
        "http://127.0.0.1:1",
        credentials={"secretRef": {"name": "up", "key": "api-key"}},
        headers=[{"name": "x-team", "value": "blue"}],
    )
    async with serve(says(answer(200, ANSWER))) as upstream:
        text = documents.replace("http://127.0.0.1:1", upstream.url) + route("chat", "up/gpt")
        async with gateway(loaded(text, keys={"up": "sk-provider"})) as sluice:
            await sluice.post()
        assert upstream.requests[0].headers["authorization"] == "Bearer sk-provider"
        assert upstream.requests[0].headers["x-team"] == "blue"


async def test_one_line_is_logged_for_a_request() -> None:
    async with (
        serve(says(answer(200, ANSWER, [("x-request-id", "theirs")]))) as upstream,
        gateway(provider("up", upstream.url) + route("chat", "up/gpt")) as sluice,
    ):
        response, _ = await sluice.post()
        [line] = await sluice.logged()
    expected = {
        "status": 200,
        "model": "chat",
        "route": "default/chat",
        "target": "up/gpt",
        "attempts": 1,
        "consumer": "anonymous",
        "stream": False,
        "prompt_tokens": 3,
        "completion_tokens": 1,
        "provider_request_id": "theirs",
        "request_id": response.headers["x-request-id"],
        "path": CHAT,
        "method": "POST",
    }
    assert expected.items() <= line.items()
    assert line["milliseconds"] >= line["first_byte_milliseconds"] > 0
    assert "Hello" not in json.dumps(line)


async def test_request_ids_are_new_unless_the_caller_gives_a_fit_one() -> None:
    async with gateway(provider("mock") + route("chat", "mock")) as sluice:
        ids = [
            (await sluice.post(headers=headers))[0].headers["x-request-id"]
            for headers in ({}, {}, {"x-request-id": "a b"}, {"x-request-id": "x" * 129})
        ]
    assert len(set(ids)) == 4
    assert all(given.startswith("req_") for given in ids)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "invalid_json"),
        (b"[]", 400, "invalid_request"),
        (b'{"model": 1}', 400, "invalid_request"),
        (b'{"model": "nobody"}', 404, "model_not_found"),
        (b'{"model": "no\\r\\nbody: x"}', 400, "invalid_request"),
        (b'{"model": "no\\u0000body", "stream": true}', 400, "invalid_request"),
        (b'{"model": "chat", "model": "chat"}', 400, "invalid_request"),
        (b'{"model": "chat", "x": ' + b"[" * 5000 + b"]" * 5000 + b"}", 400, "invalid_json"),
        (b"", 400, "invalid_json"),
    ],
)
async def test_a_bad_request_gets_openais_error(body: bytes, status: int, code: str) -> None:
    async with gateway(provider("mock") + route("chat", "mock")) as sluice:
        async with sluice.session.post(
            sluice.url + CHAT, data=body, headers={"content-type": "application/json"}
        ) as response:
            error = (await response.json())["error"]
        assert (response.status, error["code"], error["type"]) == (status, code, "invalid_request_error")
        assert set(error) == {"message", "type", "param", "code"}
        [line] = await sluice.logged()
        assert (line["status"], line["code"]) == (status, code)
        assert (await sluice.post())[0].status == 200


async def test_an_error_of_the_model_names_no_more_than_was_asked() -> None:
    async with gateway(provider("mock") + route("secret-project", "mock", models=("internal-name",))) as sluice:
        _, body = await sluice.post({"model": "nobody"})
    assert body["error"]["message"] == "no route serves the model 'nobody'"
    assert body["error"]["param"] == "model"


async def test_a_route_whose_target_has_no_key_says_so() -> None:
    text = provider("up", "http://127.0.0.1:9", credentials={"secretRef": {"name": "gone", "key": "api-key"}}) + route(
        "chat", "up/gpt"
    )
    async with gateway(text) as sluice:
        response, body = await sluice.post()
        assert (response.status, body["error"]["code"]) == (404, "model_not_found")
        assert "no target that can serve" in body["error"]["message"]
        _, config = await sluice.get("/internal/config")
        assert any("gone" in finding["message"] for finding in config["findings"])


async def test_the_callers_deadline_may_only_shorten() -> None:
    async with gateway(provider("mock", mock={"latencyMilliseconds": 30_000}) + route("chat", "mock")) as sluice:
        response, body = await sluice.post(headers={"x-request-timeout-ms": "30"})
        assert (response.status, body["error"]["code"]) == (504, "timeout")
        for wrong in ("soon", "0", "-1", "1.5", "86400001", "\u00b2", "1" * 5000):
            response, body = await sluice.post(headers={"x-request-timeout-ms": wrong})
            assert response.status == 400
            assert "x-request-timeout-ms" in body["error"]["message"]


@pytest.mark.parametrize("stream", [False, True])
async def test_half_of_a_character_reaches_the_provider_and_the_mock(stream: bool) -> None:
    body = b'{"model":"chat","stream":%b,"messages":[{"role":"user","content":"cut \\ud83d"}]}'
    body %= b"true" if stream else b"false"
    headers = {"content-type": "application/json"}
    async with serve(says(answer(500))) as upstream:
        text = provider("up", upstream.url) + provider("mock") + route("chat", "up/gpt", "mock")
        async with gateway(text) as sluice:
            async with sluice.session.post(sluice.url + CHAT, data=body, headers=headers) as response:
                assert (response.status, response.headers["x-sluice-target"]) == (200, "mock/chat")
                assert b"choices" in await response.read()
    assert upstream.requests[0].body.endswith(body.replace(b'"chat"', b'"gpt"').removeprefix(b"{"))
