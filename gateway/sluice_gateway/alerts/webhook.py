"""A POST for each event, in order, by one task: whoever tells of an event never waits for the webhook."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

import msgspec

from sluice_gateway.alerts.event import Field, Kind
from sluice_gateway.telemetry.log import DefectsLogged, Logger
from sluice_gateway.telemetry.metrics import Metrics
from sluice_gateway.upstream import Endpoint, Timeouts, Upstream, UpstreamError

QUEUE = 100
"""Events that may wait. When another comes, the oldest is dropped: the newest say how things are."""
BACK_OFF = (1.0, 5.0)
"""Seconds before the second try, and before the third and last."""
TRY_SECONDS = 5.0
"""The longest wait of one try."""
_HEADERS = (("content-type", "application/json"), ("user-agent", "sluice"))


class Webhook:
    """Takes events to a URL, which is never shown: it may hold a secret.

    ``source`` are members of each body that say which gateway and pod it is from. ``seconds``: the longest wait of
    one try. ``wall`` gives seconds of the epoch.
    Raises ValueError, without the URL in it, for one that can't be called.
    """

    def __init__(
        self,
        url: str,
        http: Upstream,
        logger: Logger,
        metrics: Metrics,
        source: Mapping[str, str],
        *,
        seconds: float = TRY_SECONDS,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._endpoint = Endpoint("POST", url, _HEADERS)
        self._http = http
        self._logger = logger
        self._sent, self._dropped = (metrics.alerts.labels(result) for result in ("sent", "dropped"))
        self._source = dict(source)
        self._timeouts = Timeouts(connect=seconds, first_byte=seconds, idle=seconds, total=seconds)
        self._sleep = sleep
        self._wall = wall
        self._queue: deque[bytes] = deque()
        self._task: asyncio.Task[None] | None = None
        self._problem = ""

    def post(self, kind: Kind, fields: Mapping[str, Field]) -> None:
        """Take an event, and return at once."""
        if len(self._queue) >= QUEUE:
            self._queue.popleft()
            self._dropped.inc()
        moment = datetime.fromtimestamp(self._wall(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._queue.append(msgspec.json.encode({"event": kind, "time": moment, **self._source, **fields}))
        if self._task is None:
            self._task = asyncio.create_task(self._work())

    async def close(self) -> None:
        """Send nothing any more; what waits is dropped."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._dropped.inc(len(self._queue))
        self._queue.clear()

    async def _work(self) -> None:
        """Send what is there, then end."""
        while self._queue:
            problem = await self._sent_or_dropped(self._queue.popleft())
            if problem and not self._problem:
                self._logger.warning("alerts not delivered", reason=problem)
            elif self._problem and not problem:
                self._logger.info("alerts delivered again")
            self._problem = problem
        self._task = None

    async def _sent_or_dropped(self, body: bytes) -> str:
        """Send an event, and count what became of it, also when all ends meanwhile; "" when it was taken."""
        problem = "a defect of the gateway; see its log"
        try:
            with DefectsLogged(self._logger, "telling a webhook"):
                problem = await self._delivered(body)
        finally:
            (self._dropped if problem else self._sent).inc()
        return problem

    async def _delivered(self, body: bytes) -> str:
        """Try to send; "" when it was taken, else why it was not."""
        problem = await self._tried(body)
        for pause in BACK_OFF:
            if not problem:
                break
            await self._sleep(pause)
            problem = await self._tried(body)
        return problem

    async def _tried(self, body: bytes) -> str:
        try:
            answer = await self._http.send(self._endpoint, body, self._timeouts)
        except UpstreamError as error:
            return error.reason
        answer.close()
        return "" if 200 <= answer.status < 300 else f"the webhook answered with status {answer.status}"
