"""What Gemini's replies mean: their parts, why they end, and what they have cost (Gemini API reference, "Candidate",
"FinishReason" and "UsageMetadata").
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from sluice_gateway.normal.answers import Finish
from sluice_gateway.normal.parts import Audio, Document, Image, Part, Source, Text, Thought, ToolCall
from sluice_gateway.normal.usage import Usage, tokens
from sluice_gateway.providers.adapter import Fault, FaultKind, ProviderFault
from sluice_gateway.providers.faults import words
from sluice_gateway.providers.google.parts import ORIGIN
from sluice_gateway.providers.google.replies import Blob, Candidate, Counts, Reply, WirePart

# Reasons beside STOP ("FinishReason"). Those not named here end an answer as STOP does.
FINISHES = {
    "MAX_TOKENS": Finish.LENGTH,
    "CONTINUATION": Finish.LENGTH,
    "SAFETY": Finish.CONTENT_FILTER,
    "RECITATION": Finish.CONTENT_FILTER,
    "LANGUAGE": Finish.CONTENT_FILTER,
    "BLOCKLIST": Finish.CONTENT_FILTER,
    "PROHIBITED_CONTENT": Finish.CONTENT_FILTER,
    "SPII": Finish.CONTENT_FILTER,
    "IMAGE_SAFETY": Finish.CONTENT_FILTER,
    "IMAGE_PROHIBITED_CONTENT": Finish.CONTENT_FILTER,
    "IMAGE_RECITATION": Finish.CONTENT_FILTER,
    "ESCALATION": Finish.CONTENT_FILTER,
    "PUP_LIMITED_DISABLED": Finish.CONTENT_FILTER,
    "MODEL_ARMOR": Finish.CONTENT_FILTER,
}

# The model has failed to answer: OpenAI's shape has no reason for it, and another target may do better.
FAILURES = frozenset(
    {
        "MALFORMED_FUNCTION_CALL",
        "MALFORMED_RESPONSE",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MISSING_THOUGHT_SIGNATURE",
    }
)

_SOUNDS = {"l16": "pcm16", "mpeg": "mp3", "x-wav": "wav"}  # as OpenAI names them
_TIERS = {"standard": "default", "flex": "flex", "priority": "priority"}


def parts_of(candidate: Candidate, answer_id: str | None, choice: int, calls: int) -> Iterator[Part]:
    """The parts of a choice. ``calls``: how many it has made before, for the ids of those that come without."""
    for part in (candidate.content and candidate.content.parts) or ():
        made = part.function_call
        if made is not None and made.name:
            call_id = made.id or f"call_{answer_id or 0}_{choice}_{calls}"
            calls += 1
            signature = part.thought_signature
            arguments = _arguments(made.args)
            yield ToolCall(id=call_id, name=made.name, arguments=arguments, signature=signature, origin=ORIGIN)
        elif part.thought:
            yield Thought(text=part.text or "", signature=part.thought_signature, origin=ORIGIN)
        else:
            yield from _shown(part, answer_id)


def _shown(part: WirePart, answer_id: str | None) -> Iterator[Part]:
    if part.text:
        yield Text(text=part.text)
    if (blob := part.inline_data or part.file_data) is not None and (blob.data or blob.file_uri):
        yield _medium(blob, answer_id)
    if part.thought_signature:
        yield Thought(signature=part.thought_signature, origin=ORIGIN)


def _arguments(args: msgspec.Raw) -> str:
    """Without the spaces and lines that Gemini lays its answers out with."""
    text = msgspec.json.format(args, indent=-1).decode("utf-8", "replace")
    return "{}" if text == "null" else text


def _medium(blob: Blob, answer_id: str | None) -> Part:
    kind = blob.mime_type or "application/octet-stream"
    if kind.startswith("audio/") and blob.data:
        form = kind[6:].partition(";")[0].lower()
        return Audio(data=blob.data, format=_SOUNDS.get(form, form), id=f"audio_{answer_id or 0}", transcript="")
    source = Source(data=blob.data, url=None if blob.data else blob.file_uri, media_type=kind)
    return Image(source=source) if kind.startswith("image/") else Document(source=source)


def finish_of(candidate: Candidate, *, called: bool) -> Finish:
    """Why a choice ends; ``called``: it holds tool calls, of which Gemini says no more than STOP.

    Raises ProviderFault when the model has failed.
    """
    reason = candidate.finish_reason or "STOP"
    if reason in FAILURES:
        message = f"{reason}: {words(candidate.finish_message) or 'the model has failed to answer'}"
        raise ProviderFault(Fault(kind=FaultKind.FAILED, status=502, message=message, code=reason.lower()))
    return FINISHES.get(reason) or (Finish.TOOL_CALLS if called else Finish.STOP)


def blocked(reply: Reply) -> bool:
    """Whether the prompt was refused before any answer."""
    return not reply.candidates and reply.prompt_feedback is not None and bool(reply.prompt_feedback.block_reason)


def usage_of(counts: Counts | None) -> Usage | None:
    """Thoughts are completion tokens, and the results of Gemini's own tools prompt tokens, as they are billed."""
    if counts is None or (counts.prompt_token_count is None and counts.candidates_token_count is None):
        return None
    thoughts = _count(counts.thoughts_token_count)
    return Usage(
        prompt=_count(counts.prompt_token_count) + _count(counts.tool_use_prompt_token_count),
        completion=_count(counts.candidates_token_count) + thoughts,
        cached=_count(counts.cached_content_token_count),
        reasoning=thoughts,
        audio_prompt=_audio(counts.prompt_tokens_details),
        audio_completion=_audio(counts.candidates_tokens_details),
    )


def _count(reported: int | None) -> int:
    return tokens(reported) if reported else 0


def _audio(details: Any) -> int:
    if not isinstance(details, list):
        return 0
    found = 0
    for one in details:
        if isinstance(one, dict) and one.get("modality") == "AUDIO":
            found += tokens(one.get("tokenCount"))
    return found


def tier_of(counts: Counts | None) -> str | None:
    """The service tier in OpenAI's words."""
    return _TIERS.get((counts and counts.service_tier) or "")


def logprobs_of(candidate: Candidate) -> dict[str, Any] | None:
    """In OpenAI's shape; None when there are none."""
    result = candidate.logprobs_result
    chosen = result.get("chosenCandidates") if isinstance(result, dict) else None
    if not isinstance(chosen, list):
        return None
    tops = result.get("topCandidates")
    tops = tops if isinstance(tops, list) else []
    content = []
    for index, one in enumerate(chosen):
        top = tops[index].get("candidates") if index < len(tops) and isinstance(tops[index], dict) else None
        found = [_token(other) for other in top] if isinstance(top, list) else []
        content.append({**_token(one), "top_logprobs": found})
    return {"content": content, "refusal": None}


def _token(one: Any) -> dict[str, Any]:
    said = one if isinstance(one, dict) else {}
    text, probability = said.get("token"), said.get("logProbability")
    text = text if isinstance(text, str) else ""
    number = probability if isinstance(probability, int | float) else 0.0  # left out when it is 0
    return {"token": text, "logprob": number, "bytes": list(text.encode())}
