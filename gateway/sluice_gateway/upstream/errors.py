"""What can go wrong between the gateway and an upstream. Each `reason` is short and names neither host nor key."""


class UpstreamError(Exception):
    """An exchange with an upstream failed; `reason` is safe to show to a caller."""

    default_reason = "the upstream failed"

    def __init__(self, reason: str = "") -> None:
        self.reason = reason or self.default_reason
        super().__init__(self.reason)


class ConnectFailed(UpstreamError):
    """No connection could be made: name resolution, TCP or TLS refused."""

    default_reason = "connection failed"


class UpstreamTimeout(UpstreamError):
    """Something took longer than contract.Timeouts allow; the subclass says what."""


class ConnectTimeout(UpstreamTimeout):
    """No connection in time; waiting for a place in the pool, resolution, TCP and TLS all count."""

    default_reason = "no connection in time"


class FirstByteTimeout(UpstreamTimeout):
    """The request was sent, or got stuck on its way, and no complete answer head came in time."""

    default_reason = "no answer in time"


class IdleTimeout(UpstreamTimeout):
    """The body stopped coming: nothing of it for the idle time."""

    default_reason = "the answer stalled"


class TotalTimeout(UpstreamTimeout):
    """The whole exchange took longer than it may."""

    default_reason = "the exchange took too long"


class ConnectionLost(UpstreamError):
    """The upstream closed or reset the connection before the answer's end.

    `answered` says whether any byte of an answer had come.
    """

    default_reason = "the connection was lost"

    def __init__(self, reason: str = "", *, answered: bool) -> None:
        super().__init__(reason)
        self.answered = answered


class BadAnswer(UpstreamError):
    """What came is not a valid HTTP/1.1 answer, or not one that this client accepts."""

    default_reason = "the answer is not valid HTTP"


class AnswerTooLarge(UpstreamError):
    """The body is larger than the reader's limit."""

    default_reason = "the answer is too large"
