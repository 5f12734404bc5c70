"""How Google's APIs refuse (google.rpc.Status in JSON), Gemini's models, and who may use them."""

import re
from typing import Any, TypeVar

import msgspec

from tests.support.model_server.exchange import KEY, Ask, Refused, Reply

# The newer model wants its thought signatures back and gives its calls ids; the older does neither.
NEWER, OLDER, EMBEDDER = "gemini-3-pro", "gemini-2.5-flash-lite", "gemini-embedding-001"
MODELS = (NEWER, OLDER, EMBEDDER)
_STATUS = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}
_PLACE = re.compile(r" - at `\$\.?(.*)`")
_FREE = ("args", "response", "parametersJsonSchema", "responseJsonSchema", "labels")
T = TypeVar("T")
_FIELD = re.compile(r"field `(\w+)`")


def refused(message: str, *, status: int = 400, reason: str = "") -> Refused:
    """An error object."""
    error: dict[str, object] = {"code": status, "message": message, "status": _STATUS[status]}
    if reason:
        info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}
        error["details"] = [info]
    return Refused(Reply({"error": error}, status=status))


def unreadable(problem: str) -> Refused:
    """A body that does not follow the reference: places are in the names of protocol buffers."""
    place = _PLACE.search(problem)
    where = re.sub(r"(?<=[a-z])([A-Z])", lambda found: f"_{found[1].lower()}", place[1]) if place else ""
    field = _FIELD.search(problem)
    if "unknown field" in problem and field:
        at = f" at '{where}'" if where else ""
        return refused(f'Invalid JSON payload received. Unknown name "{field[1]}"{at}: Cannot find field.')
    return refused(f"Invalid value at '{where or 'body'}': {_PLACE.sub('', problem)}")


def in_camel_case(document: Any) -> Any:
    """Names as JSON writes them: those of protocol buffers are understood too (ProtoJSON). What is free stays free."""
    if isinstance(document, list):
        return [in_camel_case(one) for one in document]
    if not isinstance(document, dict):
        return document
    found = {re.sub(r"_([a-z])", lambda letter: letter[1].upper(), name): value for name, value in document.items()}
    for name, value in found.items():
        if name == "properties":
            found[name] = {key: in_camel_case(one) for key, one in value.items()} if isinstance(value, dict) else value
        elif name not in _FREE:
            found[name] = in_camel_case(value)
    return found


def read(body: bytes, kind: type[T]) -> T:
    """A request. Raises Refused."""
    try:
        return msgspec.convert(in_camel_case(msgspec.json.decode(body)), kind)
    except msgspec.DecodeError as error:
        raise unreadable(str(error)) from None


def check_key(ask: Ask) -> None:
    """The Gemini API's key, in its header or in the query. Raises Refused."""
    given = ask.headers.get("x-goog-api-key") or ask.query.get("key")
    if given is None:
        raise refused("Method doesn't allow unregistered callers. Please use API Key.", status=403)
    if given != KEY:
        message = "API key not valid. Please pass a valid API key."
        raise refused(message, reason="API_KEY_INVALID")


def check_token(ask: Ask) -> None:
    """Vertex AI's token. Raises Refused."""
    if ask.headers.get("authorization") != f"Bearer {KEY}":
        message = "Request had invalid authentication credentials. Expected OAuth 2 access token."
        raise refused(message, status=401, reason="ACCESS_TOKEN_TYPE_UNSUPPORTED")


def check_model(name: str, *, embeds: bool = False) -> None:
    """Raises Refused."""
    if name not in MODELS or (name == EMBEDDER) is not embeds:
        raise refused(f"models/{name} is not found for API version v1beta, or is not supported for it.", status=404)
