"""The shipped catalogue: its form, where each entry is from, and who wins over whom."""

import json
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from sluice_config.resources.provider_policy import Model, Pricing
from sluice_gateway import catalogue
from sluice_gateway.credentials import Credentials
from sluice_gateway.providers.provider import Provider, make_provider
from sluice_gateway.upstream import LeanUpstream
from tests.support.gateway import gateway, loaded, provider, route

MAIN = ("openai", "anthropic", "google", "groq", "deepseek", "cohere")


def entries() -> list[catalogue.Entry]:
    return catalogue.read().models


def changed(**fields: Any) -> bytes:
    document = json.loads(catalogue.FILE.read_bytes())
    document["models"] = [document["models"][0] | fields]
    return json.dumps(document).encode()


def provider_of(vendor: str, *models: dict[str, Any]) -> Provider:
    event = loaded(provider("p", provider=vendor, models=list(models)) + route("r", "p", models=("*",)))
    made = make_provider(event.snapshot.providers[0], Credentials.of({}), LeanUpstream())
    assert made is not None
    return made


def test_every_provider_with_prices_has_models() -> None:
    assert {entry.provider for entry in entries()} == set(MAIN)


def test_each_entry_says_where_it_is_from_and_since_when() -> None:
    for entry in entries():
        assert entry.sources, entry.name
        assert date(2025, 1, 1) < date.fromisoformat(entry.read) <= datetime.now(UTC).date(), entry.name


def test_no_name_stands_for_two_models() -> None:
    names = Counter((entry.provider, name) for entry in entries() for name in (entry.name, *entry.aliases))
    assert [name for name, count in names.items() if count > 1] == []


def test_entries_stand_in_order() -> None:
    assert entries() == sorted(entries(), key=lambda entry: (entry.provider, entry.name))


def test_prices_are_decimals_in_strings_and_none_is_zero() -> None:
    for entry in entries():
        for price in msgspec.structs.astuple(entry.pricing) if entry.pricing else ():
            assert price is None or Decimal(price) > 0, entry.name


def test_what_is_read_from_a_cache_is_cheaper_and_an_answer_is_dearer() -> None:
    for entry in entries():
        if (prices := entry.pricing) and prices.input_per_million:
            assert Decimal(prices.cached_input_per_million or 0) < Decimal(prices.input_per_million), entry.name
            if prices.output_per_million:
                assert Decimal(prices.output_per_million) > Decimal(prices.input_per_million), entry.name


def test_an_answer_fits_into_its_window() -> None:
    for entry in entries():
        if entry.context_window and entry.max_output_tokens:
            assert entry.max_output_tokens < entry.context_window, entry.name


def test_every_entry_is_fit_for_a_policy() -> None:
    for entry in entries():
        known = catalogue.known(entry.provider, entry.name)
        assert known is not None
        assert Model.model_validate(known.model_dump(by_alias=True)) == known


@pytest.mark.parametrize(
    "fields",
    [
        {"sources": []},
        {"sources": ["http://example.com"]},
        {"sources": ["a colleague"]},
        {"read": "yesterday"},
        {"read": None},
        {"pricing": {"input_per_million": 0.15}},
        {"pricing": {"input_per_million": "1e-3"}},
        {"pricing": {"input_per_million": "-1"}},
        {"pricing": {"per_image": "1"}},
        {"capabilities": ["juggling"]},
        {"context_window": 0},
        {"context_window": "128000"},
        {"provider": "nobody"},
        {"colour": "red"},
    ],
)
def test_what_does_not_fit_the_schema_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(changed(**fields), type=catalogue.Catalogue)


def test_an_alias_is_the_same_model() -> None:
    assert catalogue.known("anthropic", "claude-haiku-4-5") == catalogue.known("anthropic", "claude-haiku-4-5-20251001")


@pytest.mark.parametrize(
    ("vendor", "model"), [("openai", "nobody-knows"), ("openai-compatible", "gpt-5"), ("azure", "gpt-5"), ("", "")]
)
def test_nothing_is_known_of_others(vendor: str, model: str) -> None:
    assert catalogue.known(vendor, model) is None


@pytest.mark.parametrize("vendor", ["ollama", "vllm", "llamacpp", "mock"])
def test_models_on_ones_own_machine_are_free(vendor: str) -> None:
    known = catalogue.known(vendor, "llama3:8b")
    assert known is not None
    assert known.pricing is not None
    assert set(known.pricing.model_dump().values()) == {"0"}


@pytest.mark.parametrize("model", ["gpt-oss:120b-cloud", "glm:cloud"])
def test_models_that_ollama_only_passes_on_are_not(model: str) -> None:
    assert catalogue.known("ollama", model) is None


def test_a_policy_wins_field_by_field() -> None:
    said = Model(name="m", display_name="Ours", pricing=Pricing(input_per_million="0", reasoning_per_million="3"))
    known = Model(
        name="m",
        display_name="Theirs",
        description="About it",
        pricing=Pricing(input_per_million="1", output_per_million="2"),
        context_window=1000,
        capabilities=("chat",),
    )
    merged = catalogue.completed(said, known)
    assert merged == Model(
        name="m",
        display_name="Ours",
        description="About it",
        pricing=Pricing(input_per_million="0", output_per_million="2", reasoning_per_million="3"),
        context_window=1000,
        capabilities=("chat",),
    )


def test_with_one_description_or_none_nothing_is_made_up() -> None:
    only = Model(name="m")
    assert catalogue.completed(None, only, None) is only
    assert catalogue.completed(None, None) is None


def test_adapters_know_the_longest_answer_from_the_catalogue() -> None:
    facts = provider_of("anthropic").facts("claude-haiku-4-5")
    assert facts.max_output_tokens == 64000
    assert "reasoning" in facts.capabilities
    assert (
        provider_of("anthropic", {"name": "claude-haiku-4-5", "maxOutputTokens": 100})
        .facts("claude-haiku-4-5")
        .max_output_tokens
        == 100
    )
    assert provider_of("anthropic").facts("unheard-of").max_output_tokens is None


def test_names_that_callers_make_up_do_not_fill_the_memory() -> None:
    made = provider_of("ollama")
    for number in range(3000):
        made.facts(f"made-up-{number}")
    assert len(made._facts) <= 1024


async def test_the_list_shows_what_the_catalogue_knows() -> None:
    text = provider("claude", provider="anthropic", models=[{"name": "claude-haiku-4-5", "displayName": "Ours"}])
    async with gateway(text + route("chat", "claude/claude-haiku-4-5")) as sluice:
        _, model = await sluice.get("/v1/models/chat")
    assert (model["display_name"], model["context_window"], model["max_output_tokens"]) == ("Ours", 200000, 64000)
    assert model["pricing"]["input_per_million"] == "1"
    assert model["pricing"]["cached_input_per_million"] == "unknown"


async def test_the_mock_is_free() -> None:
    async with gateway(provider("mock") + route("chat", "mock")) as sluice:
        pricing = (await sluice.get("/v1/models/chat"))[1]["pricing"]
    assert set(pricing.values()) == {"USD", "0"}
