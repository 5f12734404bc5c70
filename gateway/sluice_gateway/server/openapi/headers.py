"""The gateway's own headers, of requests and of replies."""

from collections.abc import Mapping

from sluice_gateway.routing.strategies import STRATEGIES
from sluice_gateway.server.openapi.schemas import Schema

REQUEST_ID: Schema = {
    "name": "x-request-id",
    "in": "header",
    "required": False,
    "description": "The caller's own id of the request: up to 128 letters, digits and . _ : -",
    "schema": {"type": "string"},
}
TIMEOUT: Schema = {
    "name": "x-request-timeout-ms",
    "in": "header",
    "required": False,
    "description": "How long the caller will wait, in milliseconds; only shortens the policies' own limits.",
    "schema": {"type": "integer", "minimum": 1, "maximum": 86_400_000},
}
STRATEGY: Schema = {
    "name": "x-routing-strategy",
    "in": "header",
    "required": False,
    "description": "How the route orders its targets for this request; the route says which strategies may be chosen.",
    "schema": {"type": "string", "enum": [*STRATEGIES]},
}
KEY = "Authorization: Bearer KEY, or x-api-key: KEY."

_OF_LIMITS = {
    "limit": "what it holds",
    "remaining": "what is left",
    "reset": "until it is whole again, as 1s, 6m0s or 12ms",
}
OF_MODELS: Mapping[str, str] = {
    "x-request-id": "The id under which the request is logged.",
    "x-sluice-route": "namespace/name of the route.",
    "x-sluice-target": "provider/model that has answered, or was asked last.",
    "x-sluice-attempts": "How many targets were asked.",
    "x-sluice-config": "Which configuration has served it.",
    **{
        f"x-ratelimit-{part}-{unit}": f"Of the route's limits of {unit}, the one with the least left: {why}."
        for unit in ("requests", "tokens")
        for part, why in _OF_LIMITS.items()
    },
}
OF_MESSAGES: Mapping[str, str] = {"request-id": "The same as x-request-id, where Anthropic's clients look."}
OF_CACHED: Mapping[str, str] = {
    "etag": "For if-none-match.",
    "cache-control": "For how long the answer is fresh.",
}
OF_ERRORS: Mapping[str, str] = {"retry-after": "Seconds after which it may be worth while to ask again."}


def described(headers: Mapping[str, str]) -> dict[str, Schema]:
    """Headers as OpenAPI has them."""
    return {name: {"description": why, "schema": {"type": "string"}} for name, why in headers.items()}
