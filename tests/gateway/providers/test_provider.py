"""What a provider's words may not show to others, its key and where it is; and where its requests go."""

from typing import Any

import pytest

from sluice_config.snapshot import Provider as Policy
from sluice_gateway import catalogue
from sluice_gateway.credentials import Credentials
from sluice_gateway.errors import CallerError
from sluice_gateway.providers.listing import Listing, listed
from sluice_gateway.providers.provider import MAX_MESSAGE_LENGTH, Provider, Traits, make_provider
from sluice_gateway.upstream import LeanUpstream
from tests.support.gateway import loaded, provider, route


def at(url: str, key: str | None = None) -> Provider:
    credentials = {"credentials": {"secretRef": {"name": "one", "key": "api-key"}}} if key else {}
    event = loaded(provider("one", url, **credentials) + route("chat", "one/m"), keys={"one": key} if key else {})
    return made(event.snapshot.providers[0], event.credentials)


def made(policy: Policy, credentials: Credentials) -> Provider:
    ready = make_provider(policy, credentials, LeanUpstream())
    assert ready is not None
    return ready


@pytest.mark.parametrize(
    ("url", "said", "shown"),
    [
        ("https://api.example.com", "no route to api.example.com", "no route to ***"),
        ("https://api.example.com", "no route to API.Example.COM:443", "no route to ***:443"),
        ("https://API.example.com:8443", "api.example.com:8443 or Api.example.com", "*** or ***"),
        ("http://svc.models.svc:8000", "http://SVC.models.svc:8000/v1 is down", "http://***/v1 is down"),
        ("http://127.0.0.1:9", "connect to 127.0.0.1:9", "connect to ***"),
        ("http://openai:8080", "the openai API says: use OpenAI's SDK", "the openai API says: use OpenAI's SDK"),
        ("http://openai:8080", "POST http://OpenAI:8080/v1 failed", "POST http://***/v1 failed"),
        ("http://openai:8080", "openai:8080 refused", "*** refused"),
        ("http://mock", "GET http://mock/v1: the mock failed", "GET http://***/v1: the mock failed"),
        ("http://mock", "see https://mock.example.org/help", "see https://mock.example.org/help"),
    ],
)
def test_the_host_is_told_to_nobody_and_plain_words_stay(url: str, said: str, shown: str) -> None:
    assert at(url).redact(said) == shown


def test_a_key_is_taken_out_before_the_host_that_it_may_contain() -> None:
    assert at("http://up.example.com", "up.example.com-key").redact("up.example.com-key is wrong") == "*** is wrong"


@pytest.mark.parametrize("written", ["s3/cr+t=", "s3%2Fcr%2Bt%3D", "s3/cr%2Bt%3D", r"s3\/cr+t="])
def test_a_key_is_taken_out_as_urls_and_json_write_it(written: str) -> None:
    assert at("http://up.example.com", "s3/cr+t=").redact(f"?key={written} is wrong") == "?key=*** is wrong"


def test_what_is_left_is_cut() -> None:
    assert len(at("http://up.example.com").redact("y" * 2 * MAX_MESSAGE_LENGTH)) == MAX_MESSAGE_LENGTH


@pytest.mark.parametrize("name", [".", ".."])
def test_a_models_name_is_no_step_in_a_path(name: str) -> None:
    policy = provider("up", "https://up.example.com", provider="azure", azure={"apiVersion": "2024-10-21"})
    event = loaded(policy + route("chat", "up"))
    azure = made(event.snapshot.providers[0], event.credentials)
    with pytest.raises(CallerError, match="not the name of a model"):
        azure.endpoint(azure.wire.chat, name)
    assert "/deployments/..a/" in azure.endpoint(azure.wire.chat, "..a").path


def with_models(*models: dict[str, Any], vendor: str = "openai-compatible") -> Provider:
    url = {"baseURL": "http://127.0.0.1:9/v1"} if vendor == "openai-compatible" else {}
    text = provider("one", models=list(models), **{"provider": vendor} | url)
    event = loaded(text + route("chat", "one/m" if not models else f"one/{models[0]['name']}"))
    return made(event.snapshot.providers[0], event.credentials)


def test_traits_are_what_is_weighed_of_a_model() -> None:
    said = {
        "name": "m",
        "pricing": {"inputPerMillion": "0.15", "outputPerMillion": "3"},
        "contextWindow": 8000,
        "maxOutputTokens": 900,
        "capabilities": ["chat", "tools"],
        "quality": 70,
    }
    assert with_models(said).traits("m") == Traits(
        input_price=0.15 / 1e6,
        output_price=3 / 1e6,
        context_window=8000,
        max_output_tokens=900,
        capabilities=frozenset({"chat", "tools"}),
        complete=True,
        quality=70,
    )


def test_what_nobody_says_of_a_model_is_unknown() -> None:
    assert with_models().traits("m") == Traits()
    assert with_models({"name": "m"}).traits("m") == Traits()
    assert with_models({"name": "m", "pricing": {"inputPerMillion": "0"}}).traits("m") == Traits(input_price=0.0)


def test_only_a_policys_capabilities_are_complete() -> None:
    known = next(one for one in catalogue.read().models if one.provider == "cohere" and "tools" in one.capabilities)
    by_catalogue = with_models({"name": known.name}, vendor="cohere").traits(known.name)
    assert by_catalogue.capabilities == frozenset(known.capabilities)
    assert not by_catalogue.complete
    said = with_models({"name": known.name, "capabilities": ["chat"]}, vendor="cohere").traits(known.name)
    assert (said.capabilities, said.complete) == (frozenset({"chat"}), True)
    assert said.context_window == known.context_window


def test_traits_follow_what_the_provider_lists() -> None:
    one = with_models({"name": "m"})
    assert one.traits("m") is one.traits("m")
    one.listing = Listing()
    assert one.traits("m").context_window is None
    one.listing.take([listed("m", context_window=512)])
    assert one.traits("m").context_window == 512
