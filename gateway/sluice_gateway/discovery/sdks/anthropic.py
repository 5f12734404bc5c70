"""The models of an account at Anthropic (Claude API reference: List Models), with the names that stand for them.

The list has dated names of older models alone; the API takes them without the date too, and those of Claude 3 with
``-latest`` and those of Claude 4 with ``-0`` in its place ("Models overview").
"""

import itertools
import re
from collections.abc import Iterator

from anthropic import Anthropic
from anthropic.types import ModelInfo

from sluice_gateway.discovery.answers import MOST_MODELS, fit
from sluice_gateway.discovery.sdks import NO_KEY, SECONDS
from sluice_gateway.providers.listing import Listed, listed
from sluice_gateway.providers.provider import Access

_DATED = re.compile(r"(.+)-20\d{6}")
_PAGE = 1000  # the largest


def models(access: Access) -> list[Listed]:
    """Ask for them. Raises what the client raises."""
    with _client(access, SECONDS) as client:
        found = itertools.islice(client.models.list(limit=_PAGE), MOST_MODELS)
        return [one for model in found if fit(model.id) and not _is_retired(model) for one in _named(model)]


def greet(access: Access, seconds: float) -> None:
    """Ask for one of them. Raises what the client raises."""
    with _client(access, seconds) as client:
        client.models.list(limit=1)


def _client(access: Access, seconds: float) -> Anthropic:
    key = access.key.reveal() if access.key else NO_KEY
    headers = dict(access.headers)
    return Anthropic(api_key=key, base_url=access.base_url, default_headers=headers, timeout=seconds, max_retries=0)


def _is_retired(model: ModelInfo) -> bool:
    """Retired models stay in the list of the API's version 2026-10-21; servers of older ones do not say."""
    return getattr(model, "lifecycle", None) == "retired"


def _named(model: ModelInfo) -> Iterator[Listed]:
    names = [model.id]
    if dated := _DATED.fullmatch(model.id):
        names += [f"{dated[1]}{ending}" for ending in ("", "-latest", "-0")]
    for name in names:
        yield listed(
            name,
            display_name=model.display_name,
            context_window=model.max_input_tokens,
            max_output_tokens=model.max_tokens,
        )
