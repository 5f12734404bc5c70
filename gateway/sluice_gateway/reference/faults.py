"""What a provider's status means, and what a caller is told when nobody else can serve."""

from collections.abc import Iterator

from sluice_gateway.attempts import Attempt, failure_of
from sluice_gateway.providers.adapter import Fault, FaultKind
from sluice_gateway.providers.faults import NO_CREDIT_CODES, NO_CREDIT_WORDS
from sluice_gateway.providers.registry import SHIPPED
from sluice_gateway.reference.tables import code, section, table

_BY_STATUS = """Of an answer that says no more than its status. Words and codes refine it: an account that has run dry
shows in a 400, 403 or 429 by the codes {codes}
or the words {words};
each wire shape knows further signs of its own."""
_TOLD = """`caller` is told at once, with the provider's status, code and words. All others move on to the next target;
when there is none, the caller is told this; after several targets, `503 all_providers_failed` with what each said."""
_MEANS = {
    FaultKind.CALLER: "the request is at fault",
    FaultKind.RATE_LIMITED: "too many requests of all callers together",
    FaultKind.KEY_REFUSED: "the gateway's key is",
    FaultKind.NO_CREDIT: "the account has run dry",
    FaultKind.MODEL_NOT_OFFERED: "the provider does not have the model",
    FaultKind.TIMEOUT: "it took too long",
    FaultKind.FAILED: "the provider's own fault, or its answer can't be read",
}
_STATUSES = (400, 401, 402, 403, 404, 405, 408, 409, 413, 415, 422, 424, 429, 498, 499, 500, 502, 503, 504, 529)
_SHAPES = ("openai", "anthropic", "google", "cohere")


def sections() -> Iterator[str]:
    """By status, and what becomes of each kind."""
    about = _BY_STATUS.format(codes=code(*sorted(NO_CREDIT_CODES)), words=code(*NO_CREDIT_WORDS))
    yield section("Faults by status", about, table(("status", *map(code, _SHAPES)), map(_by_status, _STATUSES)))
    yield section(
        "Faults, as callers read them", _TOLD, table(("fault", "means", "a single target's is told as"), _kinds())
    )


def _by_status(status: int) -> tuple[str, ...]:
    return f"{status}", *(code(SHIPPED[shape].adapter.parse_error(status, _no_header, b"").kind) for shape in _SHAPES)


def _no_header(_name: str) -> None:
    return None


def _kinds() -> Iterator[tuple[str, ...]]:
    for kind in FaultKind:
        if kind is FaultKind.CALLER:
            yield code(kind), _MEANS[kind], "the provider's own status and code"
            continue
        attempt = Attempt("p/m", Fault(kind=kind, status=500, message=""), 500, "", 0.0)
        error = failure_of([attempt], late="")
        yield code(kind), _MEANS[kind], code(f"{error.status} {error.code}")
