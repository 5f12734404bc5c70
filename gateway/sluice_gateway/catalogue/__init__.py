"""What is known of providers' models without asking anybody: prices, limits and names, in models.json.

Each entry names the pages that it was read from, and the day; what could not be looked up is absent. Prices are US
dollars per million tokens, at the provider's standard tier; ``note`` says where that is not all. What a ProviderPolicy
says of a model wins, field by field.
"""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from sluice_config.resources.provider_policy import Capability, Model, Pricing, Vendor

FILE = Path(__file__).with_name("models.json")

Price = Annotated[str, msgspec.Meta(pattern=r"^(0|[1-9][0-9]{0,8})(\.[0-9]{1,12})?$")]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Page = Annotated[str, msgspec.Meta(pattern=r"^https://\S+$")]
Day = Annotated[str, msgspec.Meta(pattern=r"^20[0-9]{2}-[01][0-9]-[0-3][0-9]$")]
Tokens = Annotated[int, msgspec.Meta(ge=1)]


class Prices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """See ProviderPolicy.spec.models[].pricing. ``cache_write_per_million`` is that of the shortest-lived cache."""

    input_per_million: Price | None = None
    output_per_million: Price | None = None
    cached_input_per_million: Price | None = None
    cache_write_per_million: Price | None = None
    reasoning_per_million: Price | None = None


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One model of one vendor. ``aliases`` are other names of it; it was ``read`` from ``sources`` on that day."""

    provider: Vendor
    name: Text
    aliases: list[Text] = []
    display_name: Text
    pricing: Prices | None = None
    context_window: Tokens | None = None
    max_output_tokens: Tokens | None = None
    capabilities: list[Capability]
    sources: Annotated[list[Page], msgspec.Meta(min_length=1)]
    read: Day
    note: Text | None = None


class Free(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Vendors whose models run on a machine of the user's own, and the endings of names of those that do not."""

    providers: list[Vendor]
    except_suffixes: list[str]


class Catalogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file."""

    free: Free
    models: list[Entry]


@functools.cache
def read() -> Catalogue:
    """The shipped catalogue. Raises msgspec.ValidationError when it is not as it should be."""
    return msgspec.json.decode(FILE.read_bytes(), type=Catalogue)


@functools.cache
def _models() -> Mapping[tuple[str, str], Model]:
    """By vendor and name, as a policy would say it."""
    found: dict[tuple[str, str], Model] = {}
    for entry in read().models:
        known = Model(
            name=entry.name,
            display_name=entry.display_name,
            pricing=Pricing(**msgspec.structs.asdict(entry.pricing)) if entry.pricing else None,
            context_window=entry.context_window,
            max_output_tokens=entry.max_output_tokens,
            capabilities=tuple(entry.capabilities),
        )
        found.update(dict.fromkeys(((entry.provider, name) for name in (entry.name, *entry.aliases)), known))
    return found


_FREE = Pricing(
    input_per_million="0",
    output_per_million="0",
    cached_input_per_million="0",
    cache_write_per_million="0",
    reasoning_per_million="0",
)


def known(vendor: str, model: str) -> Model | None:
    """What is known of a vendor's model; None when that is nothing."""
    found = _models().get((vendor, model))
    if found is not None:
        return found
    free = read().free
    if vendor in free.providers and not model.endswith(tuple(free.except_suffixes)):
        return Model(name=model, pricing=_FREE)
    return None


def completed(said: Model | None, *others: Model | None) -> Model | None:
    """The first of several descriptions, with what it leaves out from those behind it; prices one by one."""
    models = [model for model in (said, *others) if model is not None]
    if len(models) < 2:
        return models[0] if models else None
    fields = ("display_name", "description", "context_window", "max_output_tokens", "capabilities")
    merged = {field: next((value for model in models if (value := getattr(model, field))), None) for field in fields}
    merged["capabilities"] = merged["capabilities"] or ()
    merged["pricing"] = _priced([model.pricing for model in models if model.pricing is not None])
    return models[0].model_copy(update=merged)


def _priced(pricings: list[Pricing]) -> Pricing | None:
    if not pricings:
        return None
    fields = Pricing.model_fields
    return Pricing(
        **{field: next((price for said in pricings if (price := getattr(said, field))), None) for field in fields}
    )
