"""The models of the Gemini API (reference: models.list)."""

import itertools

from google.genai import Client
from google.genai.errors import ClientError
from google.genai.types import HttpOptions

from sluice_gateway.discovery.answers import MOST_MODELS, Unlisted, fit
from sluice_gateway.discovery.sdks import NO_KEY, SECONDS
from sluice_gateway.providers.listing import Listed, listed
from sluice_gateway.providers.provider import Access

_WRONG_KEY = "API_KEY_INVALID"


def models(access: Access) -> list[Listed]:
    """Ask for them. Raises what the client raises."""
    with _client(access, SECONDS) as client:
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


def greet(access: Access, seconds: float) -> None:
    """Ask for one of them. Raises what the client raises, and Unlisted for a wrong key, which Google calls a wrong
    argument (reference: ErrorInfo).
    """
    with _client(access, seconds) as client:
        try:
            client.models.list(config={"page_size": 1})
        except ClientError as error:
            if _WRONG_KEY not in str(error.details):
                raise
            raise Unlisted(f"the provider answered with status {error.code}, {_WRONG_KEY}", 401) from error


def _client(access: Access, seconds: float) -> Client:
    options = HttpOptions(
        base_url=access.base_url,
        api_version="v1beta",
        headers=dict(access.headers),
        timeout=round(seconds * 1000),
    )
    key = access.key.reveal() if access.key else NO_KEY
    return Client(api_key=key, vertexai=False, http_options=options)
