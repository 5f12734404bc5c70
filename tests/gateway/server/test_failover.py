"""A target that fails before its first byte gives way to the next; a caller's own mistake is returned at once."""

import json
from typing import Any

import pytest

from sluice_gateway import sse
from sluice_gateway.asking import MAX_ERROR_BYTES
from sluice_gateway.providers.provider import MAX_MESSAGE_LENGTH
from tests.support.gateway import CHAT, HELLO, gateway, loaded, provider, route
from tests.support.upstream import (
    Script,
    answer,
    event_stream,
    head,
    json_answer,
    says,
    says_then_cuts,
    says_then_ends,
    says_then_stalls,
    serve,
    stream_head,
)

ANSWER = json_answer({"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]})
STREAM = HELLO | {"stream": True}
FRAMES = [b'data: {"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}\n\n', b"data: [DONE]\n\n"]


def error(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


ENDLESS = json.dumps(error("y" * 2 * MAX_ERROR_BYTES)).encode()
MOVES_ON = {
    "429": says(json_answer(error("slow down"), 429)),
    "500": says(json_answer(error("boom"), 500)),
    "503 in HTML": says(answer(503, b"<html>bad gateway</html>")),
    "529": says(answer(529)),
    "our key refused": says(json_answer(error("bad key"), 401)),
    "forbidden": says(json_answer(error("no"), 403)),
    "no credit": says(json_answer(error("pay"), 402)),
    "no credit in a 400": says(json_answer(error("Your credit balance is too low"), 400)),
    "500 at length": says(answer(500, ENDLESS)),
    "429 at length": says(answer(429, ENDLESS, chunked=True)),
    "model gone": says(json_answer(error("no such model"), 404)),
    "request timeout": says(answer(408)),
    "redirect": says(head(302, [("location", "http://127.0.0.1:1/"), ("content-length", "0")])),
    "reset": says_then_cuts(b""),
    "closed": says_then_ends(b""),
    "cut inside": says_then_ends(head(200, [("content-length", "100")]) + b"{"),
    "no HTTP": says_then_ends(b"SSH-2.0-OpenSSH\r\n\r\n"),
    "200 in HTML": says(answer(200, b"<html></html>")),
    "200 with an error": says(json_answer(error("overloaded"))),
    "200 and nothing": says(answer(200)),
    "silence": says_then_stalls(),
    "silence in the body": says_then_stalls(head(200, [("content-length", "100")])),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("script", MOVES_ON.values(), ids=MOVES_ON)
async def test_the_next_target_serves(script: Script, stream: bool) -> None:
    second = says(event_stream(FRAMES) if stream else ANSWER)
    async with serve(script) as first_up, serve(second) as second_up:
        text = (
            provider("first", first_up.url, timeouts={"firstByteSeconds": 1, "idleSeconds": 1})
            + provider("second", second_up.url)
            + route("chat", "first/a", "second/b")
        )
        async with (
            gateway(text) as sluice,
            sluice.session.post(sluice.url + CHAT, json=STREAM if stream else HELLO) as response,
        ):
            body = await response.read()
            [line] = await sluice.logged()
    assert response.status == 200
    assert body == b"".join(FRAMES) if stream else b"Hi" in body
    assert (response.headers["x-sluice-target"], response.headers["x-sluice-attempts"]) == ("second/b", "2")
    assert json.loads(second_up.requests[0].body)["model"] == "b"
    assert [attempt["target"] for attempt in line["failed_attempts"]] == ["first/a"]


@pytest.mark.parametrize(
    "first",
    [
        b'data: {"error":{"message":"overloaded"}}\n\n',
        b"data: {oops\n\n",
        b": ping\n\n",
        b"",
    ],
)
async def test_a_stream_that_fails_before_its_first_event_gives_way(first: bytes) -> None:
    async with serve(says(event_stream([first]))) as first_up, serve(says(event_stream(FRAMES))) as second_up:
        text = (
            provider("first", first_up.url) + provider("second", second_up.url) + route("chat", "first/a", "second/b")
        )
        async with gateway(text) as sluice, sluice.session.post(sluice.url + CHAT, json=STREAM) as response:
            assert sse.data_of(await response.read()) == sse.data_of(b"".join(FRAMES))
            assert response.headers["x-sluice-target"] == "second/b"


@pytest.mark.parametrize("status", [400, 409, 413, 422])
async def test_a_callers_mistake_is_returned_at_once(status: int) -> None:
    said = error("messages is missing", type="invalid_request_error", code="missing", param="messages")
    async with serve(says(json_answer(said, status))) as first_up, serve(says(ANSWER)) as second_up:
        text = (
            provider("first", first_up.url) + provider("second", second_up.url) + route("chat", "first/a", "second/b")
        )
        async with gateway(text) as sluice:
            response, body = await sluice.post()
    assert (response.status, body) == (status, said)
    assert response.headers["x-sluice-attempts"] == "1"
    assert not second_up.requests


async def test_when_nothing_is_left_each_attempt_is_listed() -> None:
    async with (
        serve(says(json_answer(error("boom at sk-one"), 500))) as first_up,
        serve(says(json_answer(error("slow"), 429, [("retry-after", "7")]))) as second_up,
    ):
        text = (
            provider("first", first_up.url, credentials={"secretRef": {"name": "one", "key": "api-key"}})
            + provider("second", second_up.url)
            + route("chat", "first/a", "second/b")
        )
        async with gateway(loaded(text, keys={"one": "sk-one"})) as sluice:
            response, body = await sluice.post()
    attempts = body["error"]["attempts"]
    assert (response.status, body["error"]["code"], response.headers["retry-after"]) == (
        503,
        "all_providers_failed",
        "7",
    )
    assert [(attempt["target"], attempt["status"], attempt["reason"]) for attempt in attempts] == [
        ("first/a", 500, "boom at ***"),
        ("second/b", 429, "slow"),
    ]
    assert all(attempt["milliseconds"] >= 0 for attempt in attempts)


@pytest.mark.parametrize(
    ("script", "status", "code"),
    [
        (MOVES_ON["429"], 429, "rate_limit_exceeded"),
        (MOVES_ON["500"], 502, "provider_error"),
        (MOVES_ON["500 at length"], 502, "provider_error"),
        (MOVES_ON["429 at length"], 429, "rate_limit_exceeded"),
        (MOVES_ON["our key refused"], 502, "provider_auth_failed"),
        (MOVES_ON["no credit"], 502, "provider_auth_failed"),
        (MOVES_ON["model gone"], 404, "model_not_found"),
        (MOVES_ON["silence"], 504, "timeout"),
        (MOVES_ON["reset"], 502, "provider_error"),
    ],
)
async def test_a_lone_target_is_named_for_what_it_did(script: Script, status: int, code: str) -> None:
    async with serve(script) as upstream:
        text = provider("up", upstream.url, timeouts={"firstByteSeconds": 1}) + route("chat", "up/gpt")
        async with gateway(text) as sluice:
            response, body = await sluice.post()
    assert (response.status, body["error"]["code"], len(body["error"]["attempts"])) == (status, code, 1)


@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize(("waits", "told"), [([None], None), (["7"], "7"), (["0.2"], "1"), (["30", None, "9"], "9")])
async def test_when_to_ask_again_is_passed_on(status: int, waits: list[str | None], told: str | None) -> None:
    answers = [json_answer(error("later"), status, [("retry-after", wait)] if wait else []) for wait in waits]
    async with serve(says(*answers)) as upstream:
        text = provider("up", upstream.url) + route("chat", *(f"up/{place}" for place in range(len(waits))))
        async with gateway(text) as sluice:
            response, _ = await sluice.post()
    assert response.headers.get("retry-after") == told


async def test_a_callers_mistake_stays_one_however_much_is_said_of_it() -> None:
    async with serve(says(answer(422, ENDLESS))) as first_up, serve(says(ANSWER)) as second_up:
        text = (
            provider("first", first_up.url) + provider("second", second_up.url) + route("chat", "first/a", "second/b")
        )
        async with gateway(text) as sluice:
            response, body = await sluice.post()
    assert (response.status, body["error"]["message"]) == (422, "the provider answered with status 422")
    assert not second_up.requests


async def test_a_refused_key_is_told_without_the_providers_words() -> None:
    async with serve(says(json_answer(error("Incorrect API key provided: sk-o***ne"), 401))) as upstream:
        async with gateway(provider("up", upstream.url) + route("chat", "up/gpt")) as sluice:
            _, body = await sluice.post()
    assert "sk-o" not in json.dumps(body)
    assert "127.0.0.1" not in json.dumps(body)


async def test_a_provider_that_is_not_there_gives_way() -> None:
    text = provider("gone", "http://127.0.0.1:1") + provider("mock") + route("chat", "gone/a", "mock")
    async with gateway(text) as sluice:
        response, _ = await sluice.post()
        assert (response.status, response.headers["x-sluice-target"]) == (200, "mock/chat")


async def test_fallback_can_be_bounded_and_switched_off() -> None:
    async with serve(MOVES_ON["500"]) as upstream:
        providers = provider("up", upstream.url)
        targets = [f"up/{name}" for name in "abc"]
        for fallback, tried in (({"maxTargets": 2}, 2), ({"enabled": False}, 1), ({}, 3)):
            async with gateway(providers + route("chat", *targets, fallback=fallback)) as sluice:
                _, body = await sluice.post()
                assert len(body["error"]["attempts"]) == tried


async def test_after_the_first_byte_there_is_no_other_target() -> None:
    cut = says_then_cuts(stream_head() + b"%x\r\n%b\r\n" % (len(FRAMES[0]) - 2, FRAMES[0].replace(b'"stop"', b"null")))
    async with serve(cut) as first_up, serve(says(event_stream(FRAMES))) as second_up:
        text = (
            provider("first", first_up.url) + provider("second", second_up.url) + route("chat", "first/a", "second/b")
        )
        async with gateway(text) as sluice, sluice.session.post(sluice.url + CHAT, json=STREAM) as response:
            body = await response.read()
    assert "error" in json.loads(sse.data_of(body)[-1])
    assert not second_up.requests


@pytest.mark.parametrize("status", [400, 500])
async def test_what_a_provider_quotes_is_cut_after_the_key_is_out_of_it(status: int) -> None:
    """Half a key would be left of one that stands where the words are cut."""
    said = error("y" * (MAX_MESSAGE_LENGTH - 5) + " sk-one", code="at sk-one", param="sk-one", type="of sk-one")
    async with serve(says(json_answer(said, status, [("x-request-id", "sk-one")]))) as upstream:
        secret = {"secretRef": {"name": "one", "key": "api-key"}}
        text = provider("up", upstream.url, credentials=secret) + route("chat", "up/gpt")
        async with gateway(loaded(text, keys={"one": "sk-one"})) as sluice:
            response, body = await sluice.post()
            metrics = await (await sluice.session.get(sluice.url + "/metrics")).text()
            log = sluice.log_text()
    assert response.status == (400 if status == 400 else 502)
    for shown in (json.dumps(body), metrics, log):
        assert "sk-" not in shown
    assert len(body["error"]["message"]) <= MAX_MESSAGE_LENGTH + len("up/gpt: ")


async def test_when_the_callers_time_is_over_no_further_target_is_asked() -> None:
    async with serve(says_then_stalls()) as first_up, serve(says(ANSWER)) as second_up:
        text = (
            provider("first", first_up.url) + provider("second", second_up.url) + route("chat", "first/a", "second/b")
        )
        async with gateway(text) as sluice:
            response, body = await sluice.post(headers={"x-request-timeout-ms": "200"})
    assert (response.status, body["error"]["code"]) == (504, "timeout")
    assert [attempt["target"] for attempt in body["error"]["attempts"]] == ["first/a"]
    assert not second_up.requests


async def test_the_log_tells_nothing_of_one_target_under_the_name_of_another() -> None:
    first = says(json_answer(error("boom"), 500, [("x-request-id", "of the first")]))
    async with serve(first) as first_up, serve(says(ANSWER)) as second_up:
        text = (
            provider("first", first_up.url) + provider("second", second_up.url) + route("chat", "first/a", "second/b")
        )
        async with gateway(text) as sluice:
            await sluice.post()
            [line] = await sluice.logged()
    assert (line["target"], line["provider_request_id"]) == ("second/b", None)
