"""Refusals of OpenAI's API and of those who speak it: what their statuses, codes and words add to the common table.

| who | says |
|---|---|
| OpenAI, Azure | ``retry-after-ms`` (milliseconds) beside ``retry-after`` (the official SDK, "Retries") |
| Azure | ``DeploymentNotFound``; a refused prompt: code ``content_filter``, ``innererror`` ("Content filtering") |
| Groq | 413 with ``rate_limit_exceeded``, 498 for capacity; a model's own slip as a 400 ("API error codes") |
| Hugging Face | 503 with ``estimated_time`` while a model loads; 400 for an endpoint that somebody has paused |
| TGI, TEI | ``error_type``, 424 when generation fails; 422 for a prompt that is too long (``ValidationError``) |
| vLLM, llama.cpp | the status as ``code``; a prompt that is too long in words or as ``type`` |
"""

import dataclasses
from collections.abc import Callable
from typing import Any

from sluice_gateway.providers.adapter import Fault, FaultKind
from sluice_gateway.providers.faults import fault_of, parsed, retry_after, words
from sluice_gateway.sse import BadEvent

_BY_CODE = {
    "model_not_found": FaultKind.MODEL_NOT_OFFERED,
    "model_not_supported": FaultKind.MODEL_NOT_OFFERED,
    "model_decommissioned": FaultKind.MODEL_NOT_OFFERED,
    "DeploymentNotFound": FaultKind.MODEL_NOT_OFFERED,
    "OperationNotSupported": FaultKind.MODEL_NOT_OFFERED,
    "rate_limit_exceeded": FaultKind.RATE_LIMITED,
    "capacity_exceeded": FaultKind.RATE_LIMITED,
    "tool_use_failed": FaultKind.FAILED,  # the model called a tool that is none, or with arguments that do not fit
    "json_validate_failed": FaultKind.FAILED,  # the model wrote JSON that does not fit
}
_BY_STATUS = {424: FaultKind.FAILED, 498: FaultKind.RATE_LIMITED}
_TOO_LONG = (
    "maximum context length",
    "available context size",
    "exceed_context_size",
    "`inputs` must have less than",
    "`inputs` tokens + `max_new_tokens`",
)
_PAUSED = "endpoint is paused"
_CONTEXT_CODE = "context_length_exceeded"
_FILTER_CODE = "content_filter"


def openai_fault(status: int, header: Callable[[str], str | None], body: bytes) -> Fault:
    """The fault in an answer of a status beyond 2xx."""
    fault = fault_of(status, header, body)
    document = _document(body)
    inner = document.get("error")
    error: dict[str, Any] = inner if isinstance(inner, dict) else document
    return dataclasses.replace(
        fault,
        kind=_kind(fault),
        code=_code(fault, error),
        type=fault.type or words(error.get("error_type")),
        message=_message(fault.message, error),
        retry_after=_wait(fault, header, document),
    )


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = parsed(body)
    except BadEvent:
        return {}
    return document if isinstance(document, dict) else {}


def _kind(fault: Fault) -> FaultKind:
    if fault.kind is not FaultKind.CALLER:
        return fault.kind
    if _PAUSED in fault.message:
        return FaultKind.FAILED
    return _BY_CODE.get(fault.code or "") or _BY_STATUS.get(fault.status, fault.kind)


def _code(fault: Fault, error: dict[str, Any]) -> str | None:
    """OpenAI's word for it, where it can be told; a status is none."""
    said = f"{fault.type} {fault.message}".lower()
    if fault.kind is FaultKind.CALLER and any(sign in said for sign in _TOO_LONG):
        return _CONTEXT_CODE
    if _filtered(error):
        return _FILTER_CODE
    return None if fault.code == str(fault.status) else fault.code


def _filtered(error: dict[str, Any]) -> list[str]:
    """Of a prompt that Azure's filter has refused, the categories that were found in it."""
    inner = error.get("innererror")
    results = inner.get("content_filter_result") if isinstance(inner, dict) else None
    if not isinstance(results, dict):
        return []
    return sorted(
        name for name, result in results.items() if isinstance(result, dict) and result.get("filtered") is True
    )


def _message(message: str, error: dict[str, Any]) -> str:
    found = _filtered(error)
    return f"{message} (filtered: {', '.join(found)})" if found else message


def _wait(fault: Fault, header: Callable[[str], str | None], document: dict[str, Any]) -> float | None:
    """Seconds until it is worth while to ask again."""
    milliseconds = retry_after(header("retry-after-ms"), None)
    if milliseconds is not None:
        return milliseconds / 1000
    loading = document.get("estimated_time")
    if fault.retry_after is None and isinstance(loading, int | float):
        return retry_after(str(loading), None)
    return fault.retry_after
