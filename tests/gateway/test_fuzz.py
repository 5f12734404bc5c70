"""Any request in front of any provider: it is sent on, or refused by name; never a defect, never a loss in silence."""

import http.client
import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sluice_config.snapshot import Provider as Policy
from sluice_gateway.calls import Shape, parse
from sluice_gateway.credentials import Credentials
from sluice_gateway.dialects.registry import errors_of
from sluice_gateway.errors import CallerError, UnsupportedParameter
from sluice_gateway.providers.provider import Provider, make_provider
from sluice_gateway.providers.vendors import VENDORS
from sluice_gateway.server.app import ENDPOINTS
from sluice_gateway.upstream import LeanUpstream
from sluice_gateway.ways import Whole, way_to
from tests.support.examples import examples
from tests.support.hostile import JUNK, encoded, seeds, spoiled
from tests.support.live import OFFERS, Site, live

POLICIES = ("strict", "clamp", "drop")
MODELS = {"anthropic": ("claude-sonnet-4-5", "claude-opus-5"), "google": ("gemini-2.5-flash-lite", "gemini-3-pro")}
SEEDS = {
    shape: seeds(Shape.MESSAGES if shape is Shape.COUNT_TOKENS else shape) or [{"prompt": "a", "max_tokens": 5}]
    for shape in Shape
}


def made(vendor: str, policy: str) -> Provider:
    said: dict[str, Any] = {
        "namespace": "n",
        "name": "p",
        "generation": 1,
        "vendor": vendor,
        "parameter_policy": policy,
    }
    url = None if vendor == "mock" else "http://127.0.0.1:9/v1"
    ready = make_provider(Policy.model_validate({**said, "base_url": url}), Credentials.of({}), LeanUpstream())
    assert ready is not None
    return ready


PROVIDERS = {(vendor, policy): made(vendor, policy) for vendor in VENDORS for policy in POLICIES}

SHAPES = st.sampled_from([*Shape, Shape.CHAT, Shape.MESSAGES, Shape.RESPONSES])
BODIES = SHAPES.flatmap(lambda shape: st.tuples(st.just(shape), spoiled(SEEDS[shape])))
PROVIDER = st.tuples(st.sampled_from(sorted(VENDORS)), st.sampled_from(POLICIES))


def sent(shape: Shape, document: Any, vendor: str, policy: str, model: str) -> Any:
    """What goes to the provider, or the error that the caller reads."""
    try:
        call = parse(encoded({"model": "m"} | document if isinstance(document, dict) else document), shape)
        way = way_to(PROVIDERS[vendor, policy], call, model, "req_1", {})
    except CallerError as error:
        written = json.loads(errors_of(shape).error(error))
        assert written["error"]["message"]
        json.loads(errors_of(shape).error_event(error).partition(b"data: ")[2])
        return error
    if not isinstance(way, Whole):
        way.passage() if call.stream and shape not in (Shape.EMBEDDINGS, Shape.COUNT_TOKENS) else None
    return msgspec.json.decode(way.body) if b"\\ud8" not in way.body else {}


@settings(max_examples=examples(1000), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(BODIES, PROVIDER, st.integers(0, 1))
def test_any_request_is_sent_on_or_refused(body: tuple[Shape, Any], provider: tuple[str, str], model: int) -> None:
    shape, document = body
    result = sent(shape, document, *provider, MODELS.get(provider[0], ("m", "m"))[model])
    assert isinstance(result, dict | CallerError)


UNKNOWN = st.from_regex(r"x_[a-z]{3,12}", fullmatch=True)
PLAIN: dict[Shape, dict[str, Any]] = {
    Shape.CHAT: {"messages": [{"role": "user", "content": "a"}]},
    Shape.COMPLETIONS: {"prompt": "a"},
    Shape.RESPONSES: {"input": "a"},
    Shape.MESSAGES: {"messages": [{"role": "user", "content": "a"}], "max_tokens": 5},
}


@settings(max_examples=examples(300), deadline=None)
@given(st.sampled_from(sorted(PLAIN)), st.sampled_from(["anthropic", "google", "cohere", "openai"]), UNKNOWN, JUNK)
def test_an_unknown_field_is_refused_by_name_where_it_can_not_go(
    shape: Shape, vendor: str, name: str, value: Any
) -> None:
    if shape in PROVIDERS[vendor, "strict"].native:
        return
    plain = PLAIN[shape]
    result = sent(shape, plain | {name: value}, vendor, "strict", "m")
    dropped = sent(shape, plain | {name: value}, vendor, "drop", "m")
    if "\ud800" in str(value):
        return
    assert dropped == sent(shape, plain, vendor, "strict", "m")
    if value is None or value == []:
        return
    assert isinstance(result, UnsupportedParameter)
    assert result.param == name


@pytest.mark.parametrize("vendor", ["anthropic", "google", "cohere", "groq", "openai"])
@pytest.mark.parametrize("shape", sorted(PLAIN))
def test_a_field_of_the_providers_own_goes_there(shape: Shape, vendor: str) -> None:
    """Those that are translated further, with their own tests, are left out."""
    provider = PROVIDERS[vendor, "strict"]
    taken = (provider.quirks.parameters or provider.wire.parameters).extra
    own = {"anthropic": "inference_geo", "google": "cachedContent", "cohere": "safety_mode", "groq": "documents"}
    name = own.get(vendor, "prediction")
    assert name in taken
    result = sent(shape, PLAIN[shape] | {name: {"kept": [1, "2"]}}, vendor, "strict", "m")
    assert isinstance(result, dict)
    assert result[name] == {"kept": [1, "2"]}


SPELLINGS = st.sampled_from(["1.10", "1e2", "-0.0", "12345678901234567890.5", "1E+30", '"\\u0041\\/"', "[ ]", "{ }"])
MEMBERS = st.lists(st.tuples(st.from_regex(r"[xX]_[a-zA-Z]{1,8}", fullmatch=True), SPELLINGS), max_size=6)
RELAYS = [
    (Shape.CHAT, "openai-compatible"),
    (Shape.CHAT, "vllm"),
    (Shape.COMPLETIONS, "openai"),
    (Shape.RESPONSES, "openai"),
    (Shape.MESSAGES, "anthropic"),
    (Shape.EMBEDDINGS, "openai-compatible"),
]


@settings(max_examples=examples(300), deadline=None)
@given(st.sampled_from(RELAYS), MEMBERS, MEMBERS)
@example(RELAYS[0], [("x_a", "1.10"), ("x_a", "1e2")], [])
def test_what_is_relayed_is_the_callers_to_the_byte(
    relay: tuple[Shape, str], before: list[tuple[str, str]], after: list[tuple[str, str]]
) -> None:
    shape, vendor = relay
    first = "".join(f'"{name}":{value}, ' for name, value in before)
    last = "".join(f', "{name}" :{value}' for name, value in after)

    def body(model: str) -> bytes:
        return f'{{ {first}"model" : "{model}" , "input":"a"{last}}}'.encode()

    way = way_to(PROVIDERS[vendor, "strict"], parse(body("m"), shape), "other", "req_1", {})
    assert not isinstance(way, Whole)
    assert way.body == body("other")


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with live() as running:
        yield running


def test_hostile_requests_over_http_are_answered(site: Site) -> None:
    """A sample: never a 500, never a hang, always JSON or events that end."""
    host = site.gateway.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=10)

    @settings(max_examples=examples(120), deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(BODIES, st.sampled_from(sorted(OFFERS)))
    def check(body: tuple[Shape, Any], offer: str) -> None:
        shape, document = body
        path = next(path for path, known in ENDPOINTS.items() if known is shape)
        sent = {**document, "model": offer} if isinstance(document, dict) else document
        connection.request("POST", path, encoded(sent), {"content-type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status != 500, text
        if answer.getheader("content-type", "").startswith("text/event-stream"):
            assert text.endswith(b"\n\n")
        else:
            json.loads(text)

    try:
        check()
    finally:
        connection.close()
