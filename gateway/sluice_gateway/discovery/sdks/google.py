"""The models of the Gemini API (reference: models.list)."""

import itertools

from google.genai import Client
from google.genai.types import HttpOptions

from sluice_gateway.discovery.answers import MOST_MODELS, fit
from sluice_gateway.discovery.sdks import NO_KEY, SECONDS
from sluice_gateway.providers.listing import Listed, listed
from sluice_gateway.providers.provider import Access


def models(access: Access) -> list[Listed]:
    """Ask for them. Raises what the client raises."""
    options = HttpOptions(
        base_url=access.base_url,
        api_version="v1beta",
        headers=dict(access.headers),
        timeout=round(SECONDS * 1000),
    )
    key = access.key.reveal() if access.key else NO_KEY
    with Client(api_key=key, vertexai=False, http_options=options) as client:
        found = itertools.islice(client.models.list(config={"page_size": 1000}), MOST_MODELS)
        return [
            listed(
                name,
                display_name=model.display_name,
                context_window=model.input_token_limit,
                max_output_tokens=model.output_token_limit,
            )
            for model in found
            if fit(name := (model.name or "").removeprefix("models/"))
        ]
