"""What tests of the upstream leg say again and again: an endpoint, patient time limits, a whole exchange."""

from collections.abc import Sequence
from dataclasses import replace

from sluice_gateway.upstream import Answer, Endpoint, Timeouts, Upstream
from tests.support.upstream import ScriptedUpstream

# Longer than a test waits: what ends an exchange before is not one of these.
PATIENT = Timeouts(connect=30, first_byte=30, idle=30, total=60)
# Long enough for loopback on a busy machine when all goes well, short enough to wait for when not.
SHORT = 0.05
LIMIT = 1024 * 1024


def patient(**limits: float) -> Timeouts:
    """Time limits that a test never meets, but for those it is about."""
    return replace(PATIENT, **limits)


def endpoint(upstream: ScriptedUpstream, method: str = "POST", path: str = "/v1/chat") -> Endpoint:
    """Where the scripted upstream listens."""
    return Endpoint(method, upstream.url + path)


async def send(
    client: Upstream,
    upstream: ScriptedUpstream,
    body: bytes = b"{}",
    timeouts: Timeouts = PATIENT,
    headers: Sequence[tuple[str, str]] = (),
) -> Answer:
    """Post `body`, and return the answer with its head."""
    return await client.send(endpoint(upstream), body, timeouts, headers)


async def exchange(
    client: Upstream, upstream: ScriptedUpstream, body: bytes = b"{}", timeouts: Timeouts = PATIENT
) -> bytes:
    """Post `body`, and return the whole body of the answer."""
    answer = await send(client, upstream, body, timeouts)
    try:
        return await answer.read(LIMIT)
    finally:
        answer.close()


async def pieces(answer: Answer) -> list[bytes]:
    """All pieces to the clean end."""
    found: list[bytes] = []
    while piece := await answer.chunk():
        found.append(piece)
    return found
