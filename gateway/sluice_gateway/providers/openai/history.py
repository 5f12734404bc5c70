"""Earlier answers in a request that is relayed: what another vendor has added to them.

A conversation may go on at another provider than it began at. Callers send answers back as they got them, with members
that some vendors refuse ("property 'reasoning_content' is unsupported", says Groq).
"""

from collections.abc import Mapping
from typing import Any

from sluice_gateway.providers.openai.requests import encoded


def own_history(body: bytes, messages: object, names: Mapping[str, str | None]) -> bytes | None:
    """``messages`` in the vendor's own words, as JSON; None when they are so already.

    ``names``: what the vendor calls members of others, None for those that it has no place for.
    """
    if not isinstance(messages, list) or not any(b'"%b"' % name.encode() in body for name in names):
        return None
    own = [_own_answer(message, names) for message in messages]
    return encoded(own) if own != messages else None


def _own_answer(message: Any, names: Mapping[str, str | None]) -> Any:
    if not isinstance(message, dict) or message.get("role") != "assistant":
        return message
    own = _own_members(message, names)
    if isinstance(calls := own.get("tool_calls"), list):
        own["tool_calls"] = [_own_members(call, names) if isinstance(call, dict) else call for call in calls]
    return own


def _own_members(members: dict[str, Any], names: Mapping[str, str | None]) -> dict[str, Any]:
    own: dict[str, Any] = {}
    for name, value in members.items():
        if (known := names.get(name, name)) is not None:
            own.setdefault(known, value)
    return own
