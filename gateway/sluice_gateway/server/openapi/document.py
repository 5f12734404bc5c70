"""The OpenAPI document of a listener (OpenAPI Specification 3.1.1)."""

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

from sluice_gateway.server.openapi import admin, chat, faults, headers, messages, pages, responses, texts
from sluice_gateway.server.openapi.operations import JSON, Operation
from sluice_gateway.server.openapi.schemas import Schema, ref, referred

_CHAPTERS = (chat.CHAPTER, responses.CHAPTER, messages.CHAPTER, texts.CHAPTER, pages.CHAPTER, admin.CHAPTER)
OPERATIONS: Mapping[str, Operation] = {
    path: operation for chapter in _CHAPTERS for path, operation in chapter.operations.items()
}
_SCHEMAS: Mapping[str, Schema] = {
    **{name: schema for chapter in _CHAPTERS for name, schema in chapter.schemas.items()},
    **faults.SCHEMAS,
}
_ABOUT = (
    "One API in front of many providers. Requests in OpenAI's shapes or Anthropic's are relayed to a provider that "
    "speaks the same shape, and translated for all others; what a provider can't do is refused by name."
)
_SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    "adminToken": {"type": "http", "scheme": "bearer", "description": "The token in SLUICE_ADMIN_TOKEN_FILE."},
}
_WAYS_IN = {"key": ("bearer", "apiKey"), "admin": ("adminToken",)}


def undescribed(paths: Iterable[str]) -> list[str]:
    """Of a listener's paths, those of which nothing is said here."""
    return [path for path in paths if path not in OPERATIONS]


def document(paths: Iterable[str]) -> dict[str, Any]:
    """What a listener with these paths answers."""
    served = set(paths)
    described = {path: _path(operation) for path, operation in OPERATIONS.items() if path in served}
    schemas = {name: _SCHEMAS[name] for name in referred(described, _SCHEMAS)}
    return {
        "openapi": "3.1.1",
        "info": {"title": "Sluice", "version": version("sluice"), "description": _ABOUT},
        "servers": [{"url": "/"}],
        "paths": described,
        "components": {"schemas": schemas, "securitySchemes": _SECURITY},
    }


def _path(operation: Operation) -> dict[str, Any]:
    said: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": operation.description,
        "tags": ["internal"] if operation.internal else ["api"],
        "parameters": parameters(operation),
        "responses": {"200": _answer(operation)} | _unchanged(operation) | _errors(operation),
        "security": [{way: []} for group in operation.groups for way in _WAYS_IN.get(group, ())],
    }
    if operation.internal:
        said["x-internal"] = True
    if operation.body is not None:
        content: Schema = {"schema": operation.body}
        if operation.example is not None:
            content["example"] = operation.example
        said["requestBody"] = {"required": True, "content": {JSON: content}}
    return {operation.method: {name: value for name, value in said.items() if value != "" and value != []}}


def parameters(operation: Operation) -> list[Schema]:
    """What may be said beside the body."""
    own = [headers.REQUEST_ID, headers.TIMEOUT, headers.STRATEGY] if "model" in operation.groups else []
    return [*operation.parameters, *own]


def reply_headers(operation: Operation) -> Mapping[str, str]:
    """The gateway's own headers of an answer."""
    if operation.cached:
        return headers.OF_CACHED
    if "model" not in operation.groups:
        return {}
    more = headers.OF_MESSAGES if operation.errors == "anthropic" else {}
    return {**headers.OF_MODELS, **more}


def _answer(operation: Operation) -> dict[str, Any]:
    content = {kind: {"schema": schema} for kind, schema in operation.answers.items()}
    told = headers.described(reply_headers(operation))
    return {"description": "The answer.", "content": content} | ({"headers": told} if told else {})


def _unchanged(operation: Operation) -> dict[str, Any]:
    return {"304": {"description": "Nothing has changed."}} if operation.cached else {}


def _errors(operation: Operation) -> dict[str, Any]:
    schema = ref(faults.NAMES[operation.errors])
    found = {
        str(status): _error(" ".join(f"{kind.code}: {faults.why(kind)}" for kind in kinds), schema)
        for status, kinds in faults.of_groups(operation.groups).items()
    }
    if "model" in operation.groups:
        found[faults.REFUSED] = _error(faults.REFUSED_WHY, schema)
    return found


def _error(why: str, schema: Schema) -> dict[str, Any]:
    told = headers.described(headers.OF_ERRORS)
    return {"description": why, "headers": told, "content": {JSON: {"schema": schema}}}
