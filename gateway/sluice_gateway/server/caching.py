"""Replies that callers may keep, and ask for again by their tag (RFC 9110, 13.1.2 and 15.4.5)."""

import hashlib
from collections.abc import Mapping

from aiohttp import web
from multidict import CIMultiDict

from sluice_gateway.server.replies import json_reply


def cached_reply(body: bytes, asked: Mapping[str, str], kind: str, fresh: str, vary: str | None = None) -> web.Response:
    """With what caches need; without the body for a caller who has it. ``asked`` are the request's headers, ``kind``
    the body's media type, ``fresh`` the reply's cache-control.
    """
    tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers = CIMultiDict({"server": "sluice", "etag": tag, "cache-control": fresh})
    if vary is not None:
        headers["vary"] = vary
    if _has(asked.get("if-none-match", ""), tag):
        return web.Response(status=304, headers=headers)
    headers["content-type"] = kind
    return json_reply(body, headers)


def _has(if_none_match: str, tag: str) -> bool:
    """Whether a caller's If-None-Match names this tag; weak and strong tags compare alike there."""
    given = [one.strip().removeprefix("W/") for one in if_none_match.split(",")]
    return tag in given or given == ["*"]
