"""Errors as OpenAI's API tells them: the gateway's own form of them, and that of most clients."""

from sluice_gateway.errors import GatewayError
from sluice_gateway.sse import error_frame


class OpenAIErrors:
    """``{"error": {"message", "type", "param", "code"}}``, in a stream as one event without a name."""

    end_mark = b"data: [DONE]\n\n"

    def error(self, error: GatewayError) -> bytes:
        """The body of an error."""
        return error.body()

    def error_event(self, error: GatewayError) -> bytes:
        """One event."""
        return error_frame(error.body())
