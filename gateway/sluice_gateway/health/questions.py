"""How a provider is asked whether it is there: as its vendor answers most cheaply, or with one token of a model."""

from collections.abc import Mapping
from typing import NamedTuple

from sluice_gateway.discovery import sdks
from sluice_gateway.discovery.answers import NoClient, Unlisted
from sluice_gateway.errors import CallerError
from sluice_gateway.health.history import Outcome, Result
from sluice_gateway.normal.parts import Text
from sluice_gateway.normal.requests import ChatRequest, Message
from sluice_gateway.providers.adapter import GUARDED, Fault, FaultKind, ProviderFault
from sluice_gateway.providers.provider import Provider
from sluice_gateway.sse import BadEvent
from sluice_gateway.upstream import AnswerTooLarge, Endpoint, Timeouts, UpstreamError

MOST_BYTES = 1024 * 1024
"""Read of an answer: its rest says no more."""
_REJECTED = Outcome(Result.REJECTED, "the provider refused the gateway's key")
_OF_KEYS = frozenset({401, 403})
_CANNOT_SERVE = frozenset({FaultKind.NO_CREDIT, FaultKind.MODEL_NOT_OFFERED, FaultKind.TIMEOUT, FaultKind.FAILED})
_PING = ChatRequest(messages=(Message(role="user", parts=(Text(text="ping"),)),), max_tokens=1)


class _Question(NamedTuple):
    """A GET below the provider's base URL, or at the ``root`` of its server. ``client``: the vendor's own, which is
    asked instead where it is installed.
    """

    path: str
    root: bool = False
    client: str = ""


_BY_WAY: Mapping[str, _Question] = {
    "openai": _Question("/models", client="openai"),
    "anthropic": _Question("/v1/models?limit=1", client="anthropic"),
    "google": _Question("/v1beta/models?pageSize=1", client="google"),
    "models": _Question("/models"),
    "cohere": _Question("/v1/models?page_size=1"),  # API reference, List Models
    "llamacpp": _Question("/health", root=True),  # server README; needs no key
    "ollama": _Question("/api/version", root=True),  # API reference, Get version
    "vllm": _Question("/health", root=True),  # OpenAI-compatible server; needs no key
}
"""By the way in which a provider lists its models."""
_ANY = _Question("")  # of those who have no list: their base URL itself


async def ask(provider: Provider) -> Outcome:
    """Ask a provider as its policy says: its ``healthCheck.model``, or what is cheapest. Raises nothing that a provider
    can cause; whoever asks sets the time.
    """
    policy = provider.health_check
    if policy.model is not None:
        return await _asked_model(provider, policy.model)
    question = _BY_WAY.get(provider.lists, _ANY)
    if question.client:
        try:
            await sdks.greet(question.client, provider.access(), float(policy.timeout_seconds))
        except NoClient:
            pass  # an image without the clients can ask all the same
        except Unlisted as error:
            return _by_status(error.status, str(error))
        else:
            return Outcome(Result.GOOD)
    return await _asked_path(provider, question)


async def _asked_path(provider: Provider, question: _Question) -> Outcome:
    """Whatever is answered, but for the server's own failures, says that somebody is there."""
    endpoint = provider.reading(question.path, root=question.root)
    try:
        status, _, fault = await _exchange(provider, endpoint, b"")
    except (UpstreamError, BadEvent) as error:
        return Outcome(Result.FAILED, str(error))
    if fault is not None and fault.kind is FaultKind.KEY_REFUSED:
        return _REJECTED
    return _by_status(status, f"the provider answered with status {status}")


def _by_status(status: int | None, reason: str) -> Outcome:
    if status in _OF_KEYS:
        return _REJECTED
    if status is None or status >= 500:
        return Outcome(Result.FAILED, reason)
    return Outcome(Result.GOOD)


async def _asked_model(provider: Provider, model: str) -> Outcome:
    """One chat of one token, on the way that callers' requests take."""
    wire = provider.wire
    try:
        with GUARDED:
            body = wire.adapter.build_request(_PING, provider.facts(model))
        status, answered, fault = await _exchange(provider, provider.endpoint(wire.chat, model), body)
        if fault is None:
            with GUARDED:
                wire.adapter.parse_response(answered)
    except ProviderFault as error:
        fault, status = error.fault, error.fault.status
    except (UpstreamError, BadEvent, CallerError) as error:
        return Outcome(Result.FAILED, str(error))
    return Outcome(Result.GOOD) if fault is None else _by_fault(fault, status)


def _by_fault(fault: Fault, status: int) -> Outcome:
    """A mistake in the question, or too many of them, is an answer too."""
    if fault.kind is FaultKind.KEY_REFUSED:
        return _REJECTED
    if fault.kind in _CANNOT_SERVE:
        return Outcome(Result.FAILED, f"status {status}: {fault.message}")
    return Outcome(Result.GOOD)


async def _exchange(provider: Provider, endpoint: Endpoint, body: bytes) -> tuple[int, bytes, Fault | None]:
    """Status and body of an answer, and the fault in one beyond 2xx. Raises UpstreamError and WireDefect."""
    seconds = float(provider.health_check.timeout_seconds)
    timeouts = Timeouts(connect=seconds, first_byte=seconds, idle=seconds, total=seconds)
    answer = await provider.upstream.send(endpoint, body, timeouts)
    try:
        answered = await answer.read(MOST_BYTES)
    except AnswerTooLarge:
        answered = b""
    finally:
        answer.close()
    if 200 <= answer.status < 300:
        return answer.status, answered, None
    with GUARDED:
        return answer.status, answered, provider.wire.adapter.parse_error(answer.status, answer.header, answered)
