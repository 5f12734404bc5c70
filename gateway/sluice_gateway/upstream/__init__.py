"""The leg from the gateway to the providers: one request out, one answer back, over HTTP/1.1.

Everything that can happen on the way ends as an answer or as one of `errors`; nothing else of HTTP leaves this package.
"""

from sluice_gateway.upstream.contract import Answer, Sink, Timeouts, Upstream, relay_by_chunks
from sluice_gateway.upstream.endpoint import Endpoint, Origin
from sluice_gateway.upstream.errors import (
    AnswerTooLarge,
    BadAnswer,
    ConnectFailed,
    ConnectionLost,
    ConnectTimeout,
    FirstByteTimeout,
    IdleTimeout,
    TotalTimeout,
    UpstreamError,
    UpstreamTimeout,
)
from sluice_gateway.upstream.lean import LeanUpstream
from sluice_gateway.upstream.session import SessionUpstream

__all__ = [
    "Answer",
    "AnswerTooLarge",
    "BadAnswer",
    "ConnectFailed",
    "ConnectTimeout",
    "ConnectionLost",
    "Endpoint",
    "FirstByteTimeout",
    "IdleTimeout",
    "LeanUpstream",
    "Origin",
    "SessionUpstream",
    "Sink",
    "Timeouts",
    "TotalTimeout",
    "Upstream",
    "UpstreamError",
    "UpstreamTimeout",
    "relay_by_chunks",
]
