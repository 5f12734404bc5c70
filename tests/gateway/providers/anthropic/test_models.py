"""Which generation a model is of, by its name as clouds, routes and dates write it."""

import pytest

from sluice_gateway.providers.anthropic.models import Generation, generation_of

# What the models' pages say, for the models that the SDK names: thinks by itself, takes a budget, how thinking is
# turned off, takes sampling parameters, takes forced tools.
FACTS = {
    "claude-sonnet-4-5": (False, True, "", True, True),
    "claude-haiku-4-5": (False, True, "", True, True),
    "claude-opus-4-5": (False, True, "", True, True),
    "claude-opus-4-6": (True, True, "", True, True),
    "claude-sonnet-4-6": (True, True, "", True, True),
    "claude-opus-4-7": (True, False, "", False, True),
    "claude-opus-4-8": (True, False, "", False, True),
    "claude-opus-5": (True, False, "disabled", False, True),
    "claude-sonnet-5": (True, False, "disabled", False, True),
    "claude-haiku-5-5": (True, False, "disabled", False, True),
    "claude-fable-5": (True, False, None, False, True),
    "claude-mythos-5": (True, False, None, False, True),
    "claude-mythos-preview": (True, False, None, False, False),
    "claude-fable-5-1": (True, False, None, False, False),
    "claude-mythos-5-1": (True, False, None, False, False),
    "claude-opus-5-5": (True, False, None, False, False),
    "claude-sonnet-5-5": (True, False, "between_tools", False, False),
}


@pytest.mark.parametrize(("model", "facts"), FACTS.items())
def test_each_model_takes_what_its_page_says(model: str, facts: tuple[bool, bool, str | None, bool, bool]) -> None:
    found = generation_of(model)
    assert (found.adaptive, found.budgets, found.off, found.samples, found.forces_tools) == facts


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("claude-opus-4-20250514", "claude-opus-4-0"),
        ("claude-opus-4@20250514", "claude-opus-4-0"),
        ("claude-3-5-haiku-20241022", "model-of-another"),
        ("claude-3-7-sonnet-latest", "model-of-another"),
        ("claude-3-opus", "model-of-another"),
        ("us.anthropic.claude-opus-4-6-v1:0", "claude-opus-4-6"),
        ("anthropic/claude-opus-4.7", "claude-opus-4-7"),
        ("Claude-Opus-5", "claude-opus-5"),
        ("claude-fable-5-2", "claude-fable-5-1"),
        ("claude-opus-7", "claude-opus-5-5"),
        ("claude-sonnet-latest", "claude-sonnet-5-5"),
        ("claude-instant-1.2", "model-of-another"),
        ("kimi-k3", "model-of-another"),
        ("", "model-of-another"),
    ],
)
def test_names_with_dates_and_prefixes_are_known(name: str, same: str) -> None:
    assert generation_of(name) == generation_of(same)


def test_a_model_of_another_vendor_is_taken_for_what_the_shape_began_with() -> None:
    found = generation_of("model-of-another")
    assert found == Generation(
        adaptive=False, budgets=True, efforts=(), summarizes=False, samples=True, one_sampler=False
    )
