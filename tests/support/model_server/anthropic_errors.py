"""How Anthropic refuses (Claude API reference: "Errors"), its models and versions, and who may use them."""

import re

from tests.support.model_server.exchange import KEY, Ask, Refused, Reply

# The older model takes sampling parameters, a thinking budget and a prefilled answer; the newer one none of them, and
# shows what it thinks only when asked to.
OLDER, NEWER = "claude-haiku-4-5", "claude-opus-5"
MODELS = (NEWER, OLDER)
MOST_TOKENS = {OLDER: 64_000, NEWER: 128_000}
FIRST, LATEST = "2023-06-01", "2026-10-21"
_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
}
_PLACE = re.compile(r" - at `\$\.?(.*)`")
_FIELD = re.compile(r"field `(\w+)`")


def refused(message: str, *, status: int = 400, code: str = "") -> Refused:
    """An error object."""
    number = "req_of_the_model_server"
    error: dict[str, object] = {"type": _KINDS[status], "message": message}
    if code:
        error["details"] = {"error_code": code}
    return Refused(
        Reply({"type": "error", "error": error, "request_id": number}, status=status, headers={"request-id": number})
    )


def unreadable(problem: str) -> Refused:
    """A body that does not follow the reference: places are written with dots."""
    place = _PLACE.search(problem)
    steps = re.sub(r"\[(\d+|\.\.\.)\]", r".\1", place[1]) if place else ""
    field = _FIELD.search(problem)
    steps = ".".join(filter(None, (steps, field[1] if field else "")))
    if "unknown field" in problem:
        return refused(f"{steps}: Extra inputs are not permitted")
    if "missing required" in problem:
        return refused(f"{steps}: Field required")
    return refused(f"{steps or 'body'}: {_PLACE.sub('', problem)}")


def check(ask: Ask) -> None:
    """The key, in either header (x-api-key counts when both are there), and the version. Raises Refused."""
    given = ask.headers.get("x-api-key") or ask.headers.get("authorization", "").removeprefix("Bearer ")
    if given != KEY:
        raise refused("invalid x-api-key", status=401)
    version = ask.headers.get("anthropic-version")
    if version is None:
        raise refused("anthropic-version: header is required")
    if version not in (FIRST, LATEST):
        raise refused(f"anthropic-version: {version!r} is not a valid version")


def check_model(model: str) -> None:
    """Raises Refused."""
    if model not in MODELS:
        raise refused(f"model: {model}", status=404)
