"""What Gemini sends, as far as it is read (Gemini API reference, "GenerateContentResponse"; Vertex AI reference of that
name).

A chunk of a stream has the form of a whole answer, so that both are read alike.
"""

from typing import Any

import msgspec

from sluice_gateway.providers.adapter import ProviderFault
from sluice_gateway.providers.faults import parsed
from sluice_gateway.providers.google.faults import fault_in
from sluice_gateway.providers.loose import loosely
from sluice_gateway.sse import BadEvent

_NOT_AS_TOLD = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)  # a ValidationError is a DecodeError


class Blob(msgspec.Struct, rename="camel", gc=False):
    """Bytes in base64, or a file elsewhere."""

    mime_type: str | None = None
    data: str | None = None
    file_uri: str | None = None


class FunctionCall(msgspec.Struct, rename="camel", gc=False):
    """A call of a tool; ``id`` comes from Gemini 3 and later only."""

    name: str | None = None
    id: str | None = None
    args: msgspec.Raw = msgspec.Raw(b"{}")


class WirePart(msgspec.Struct, rename="camel", gc=False):
    """One of its data members is set."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: FunctionCall | None = None
    inline_data: Blob | None = None
    file_data: Blob | None = None


class Content(msgspec.Struct, rename="camel", gc=False):
    """Absent or without parts when nothing was generated."""

    parts: list[WirePart] | None = None


class Candidate(msgspec.Struct, rename="camel", gc=False):
    """One choice. ``index`` 0 is left out by some versions."""

    index: int | None = None
    content: Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None
    logprobs_result: Any = None


class Feedback(msgspec.Struct, rename="camel", gc=False):
    """Why a prompt was not answered at all."""

    block_reason: str | None = None


class Counts(msgspec.Struct, rename="camel", gc=False):
    """Tokens. ``prompt`` includes what was cached; ``candidates`` does not include thoughts."""

    prompt_token_count: int | None = None
    candidates_token_count: int | None = None
    cached_content_token_count: int | None = None
    thoughts_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    prompt_tokens_details: Any = None
    candidates_tokens_details: Any = None
    service_tier: str | None = None


class Reply(msgspec.Struct, rename="camel", gc=False):
    """A whole answer or a chunk of one."""

    candidates: list[Candidate] | None = None
    prompt_feedback: Feedback | None = None
    usage_metadata: Counts | None = None
    model_version: str | None = None
    response_id: str | None = None
    error: Any = None


_decode = msgspec.json.Decoder(Reply).decode


def read_reply(data: bytes) -> Reply:
    """A body or the data of an event. Raises BadEvent, and ProviderFault for an error in it."""
    try:
        reply = _decode(data)
    except _NOT_AS_TOLD:
        document = parsed(data)
        if isinstance(document, list) and document:
            document = document[0]
        if not isinstance(document, dict):
            raise BadEvent("the provider sent JSON that is not an object") from None
        reply = loosely(Reply, document)
    if reply.error is not None:
        raise ProviderFault(fault_in(reply.error))
    return reply
