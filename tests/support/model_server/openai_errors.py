"""How OpenAI refuses (OpenAI API reference: "Error codes"), its models, and who may use them."""

import re
from typing import Any

from tests.support.model_server.conversation import Schema
from tests.support.model_server.exchange import CREATED, KEY, Ask, Refused, Reply

# What the models of the OpenAI-shaped endpoints can do. "reasoner" stands for those who show their reasoning in
# reasoning_content (DeepSeek API reference: "Create Chat Completion").
CHAT_MODELS = ("gpt-4o-mini", "gpt-5", "reasoner")
REASONING_MODELS = ("gpt-5", "reasoner")
COMPLETION_MODELS = ("gpt-3.5-turbo-instruct",)
EMBEDDING_MODELS = ("text-embedding-3-small",)
MODELS = (*CHAT_MODELS, *COMPLETION_MODELS, *EMBEDDING_MODELS)

_UNKNOWN = re.compile(r"unknown field `(\w+)`(?: - at `\$?\.?(.*)`)?")
_PLACE = re.compile(r"at `\$\.?(.*)`")
_MISSING = re.compile(r"missing required field `(\w+)`")


def refused(
    message: str, *, status: int = 400, param: str | None = None, code: str | None = None, kind: str = ""
) -> Refused:
    """An error object."""
    error = {"message": message, "type": kind or "invalid_request_error", "param": param, "code": code}
    return Refused(Reply({"error": error}, status=status, headers={"x-request-id": "req_of_the_model_server"}))


def unreadable(problem: str) -> Refused:
    """A body that does not follow the reference."""
    if found := _UNKNOWN.search(problem):
        return refused(f"Unrecognized request argument supplied: {found[1]}", param=found[2] or found[1])
    place = _PLACE.search(problem)
    if found := _MISSING.search(problem):
        param = f"{place[1]}.{found[1]}" if place and place[1] else found[1]
        return refused(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")
    if place is None:
        return refused("We could not parse the JSON body of your request.")
    return refused(f"Invalid value for '{place[1]}': {problem}", param=place[1], code="invalid_value")


def check_key(ask: Ask) -> None:
    """Raises Refused."""
    given = ask.headers.get("authorization", "")
    if given != f"Bearer {KEY}":
        message = "Incorrect API key provided: ***. You can find your API key at your account page."
        raise refused(message, status=401, code="invalid_api_key")


def check_model(model: str, offered: tuple[str, ...]) -> None:
    """Raises Refused."""
    if model not in MODELS:
        message = f"The model `{model}` does not exist or you do not have access to it."
        raise refused(message, status=404, code="model_not_found")
    if model not in offered:
        raise refused(f"The model `{model}` is not supported by this endpoint.", param="model")


def _is_schema(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    members = {"properties": dict, "$defs": dict, "required": list, "anyOf": list}
    return all(isinstance(value.get(name), kind | None) for name, kind in members.items())


def check_strict(schema: Schema | None, param: str) -> None:
    """What strict schemas must have (OpenAI's guide: "Structured model outputs", "Supported schemas")."""
    stack: list[Any] = [schema or {}]
    while stack:
        one = stack.pop()
        if not _is_schema(one):
            raise refused("Invalid schema: it is not a JSON schema.", param=param)
        properties = one.get("properties")
        if one.get("type") == "object" or properties is not None:
            if one.get("additionalProperties") is not False:
                raise refused(
                    "Invalid schema: 'additionalProperties' is required to be supplied and to be false.", param=param
                )
            if set(map(str, one.get("required") or ())) != set(properties or ()):
                raise refused("Invalid schema: 'required' must name every key in properties.", param=param)
        stack += (*(properties or {}).values(), *(one.get("$defs") or {}).values(), *(one.get("anyOf") or ()))
        if isinstance(one.get("items"), dict):
            stack.append(one["items"])


def models(ask: Ask) -> Reply:
    """GET /v1/models."""
    check_key(ask)
    return Reply({"object": "list", "data": [_described(model) for model in MODELS]})


def model(ask: Ask) -> Reply:
    """GET /v1/models/{model}."""
    check_key(ask)
    check_model(ask.place["model"], MODELS)
    return Reply(_described(ask.place["model"]))


def _described(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "model-server"}
