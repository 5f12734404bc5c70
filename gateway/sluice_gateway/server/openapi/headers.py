"""The gateway's own headers, of requests and of replies."""

from collections.abc import Mapping

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
KEY = "Authorization: Bearer KEY, or x-api-key: KEY."

OF_MODELS: Mapping[str, str] = {
    "x-request-id": "The id under which the request is logged.",
    "x-sluice-route": "namespace/name of the route.",
    "x-sluice-target": "provider/model that has answered, or was asked last.",
    "x-sluice-attempts": "How many targets were asked.",
    "x-sluice-config": "Which configuration has served it.",
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
