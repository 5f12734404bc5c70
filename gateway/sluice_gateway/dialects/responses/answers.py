"""Writing Responses answers (OpenAI API reference, "The response object").

Answers echo the request's settings, as OpenAI's do. What the caller has left to the provider is null where OpenAI would
name its own default. ``store`` is false: nothing is kept.
"""

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from sluice_gateway.dialects.dialect import Asked
from sluice_gateway.dialects.responses.items import Silence
from sluice_gateway.dialects.responses.output import Output, deltas_of
from sluice_gateway.errors import GatewayError
from sluice_gateway.normal.answers import ChatAnswer, Choice, Started
from sluice_gateway.normal.usage import Usage

_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast", "ultrafast"})
_PREFIX = "resp_"
_DEFAULTS: Mapping[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "parallel_tool_calls": True,
    "prompt_cache_key": None,
    "safety_identifier": None,
    "temperature": None,
    "tool_choice": "auto",
    "top_logprobs": 0,
    "top_p": None,
    "truncation": "disabled",
    "user": None,
    "metadata": {},
}
_TOOL: Mapping[str, Any] = {"description": None, "parameters": None, "strict": None}


class Outline:
    """What does not change of an answer while it is written."""

    def __init__(self, asked: Asked, started: Started) -> None:
        given = started.id or asked.id
        self.id = given if given.startswith(_PREFIX) else _PREFIX + given
        self._begun = {
            "id": self.id,
            "object": "response",
            "created_at": started.created or asked.created,
            "model": started.model or asked.model,
        }
        wanted = asked.document.get("service_tier")
        self._tier = wanted if wanted in _TIERS else None
        self._echo = _json(_echo(asked.document))[1:]

    @property
    def tail(self) -> str:
        """What ids of items are made of."""
        return self.id.removeprefix(_PREFIX)

    def response(
        self,
        status: str,
        output: list[msgspec.Raw],
        *,
        incomplete: str | None = None,
        error: Mapping[str, Any] | None = None,
        usage: Usage | None = None,
        tier: str | None = None,
    ) -> bytes:
        """The answer as it is now."""
        state = {
            **self._begun,
            "status": status,
            "error": error,
            "incomplete_details": None if incomplete is None else {"reason": incomplete},
            "output": output,
            "usage": None if usage is None else _usage(usage),
            "service_tier": tier if tier in _TIERS else self._tier,
        }
        return msgspec.json.encode(state)[:-1] + b"," + self._echo


def write_answer(answer: ChatAnswer, asked: Asked) -> bytes:
    """The body of a whole answer."""
    outline = Outline(asked, Started(answer.id, answer.model, answer.created))
    output = Output(Silence(), outline.tail)
    for delta in deltas_of(answer.choices[0] if answer.choices else Choice()):
        output.take(delta)
    return outline.response(
        ending(output), output.items(), incomplete=output.incomplete, usage=answer.usage, tier=answer.service_tier
    )


def ending(output: Output) -> str:
    """The state in which an answer ends that has not failed."""
    return "completed" if output.incomplete is None else "incomplete"


def failure(error: GatewayError) -> dict[str, Any]:
    """An error as an answer tells it: with one of the codes that the reference lists."""
    code = "server_error"
    if error.status == 429:
        code = "rate_limit_exceeded"
    elif 400 <= error.status < 500:
        code = "invalid_prompt"
    return {"code": code, "message": error.message}


def _usage(usage: Usage) -> dict[str, Any]:
    """Usage as this shape counts it; ``estimated`` marks what no provider has reported."""
    body: dict[str, Any] = {
        "input_tokens": usage.prompt,
        "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": usage.cache_write},
        "output_tokens": usage.completion,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.total,
    }
    return body | {"estimated": True} if usage.estimated else body


def _json(echo: dict[str, Any]) -> bytes:
    """As the caller wrote it: JSON may hold half a character (RFC 8259, 8.2), which UTF-8 may not."""
    try:
        return msgspec.json.encode(echo)
    except UnicodeEncodeError:
        return json.dumps(echo, separators=(",", ":")).encode()


def _echo(document: dict[str, Any]) -> dict[str, Any]:
    """The request's settings, and what else callers of a stateful API look for."""
    given = {name: default if (value := document.get(name)) is None else value for name, default in _DEFAULTS.items()}
    text = document.get("text") or {}
    return {
        **given,
        "background": False,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None} | (document.get("reasoning") or {}),
        "store": False,
        "text": {**text, "format": text.get("format") or {"type": "text"}},
        "tools": [{**_TOOL, **tool} for tool in document.get("tools") or ()],
    }
