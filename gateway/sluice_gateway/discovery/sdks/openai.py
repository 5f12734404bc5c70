"""The models of an account at OpenAI (API reference: List models)."""

from openai import OpenAI

from sluice_gateway.discovery.answers import MOST_MODELS, fit
from sluice_gateway.discovery.sdks import NO_KEY, SECONDS
from sluice_gateway.providers.listing import Listed, listed
from sluice_gateway.providers.provider import Access


def models(access: Access) -> list[Listed]:
    """Ask for them. Raises what the client raises."""
    with _client(access, SECONDS) as client:
        return [listed(model.id) for model in client.models.list().data[:MOST_MODELS] if fit(model.id)]


def greet(access: Access, seconds: float) -> None:
    """Ask for the list, which has no shorter form. Raises what the client raises."""
    with _client(access, seconds) as client:
        client.models.list()


def _client(access: Access, seconds: float) -> OpenAI:
    key = access.key.reveal() if access.key else NO_KEY
    headers = dict(access.headers)
    return OpenAI(api_key=key, base_url=access.base_url, default_headers=headers, timeout=seconds, max_retries=0)
