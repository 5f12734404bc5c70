"""GET /internal/report: what this process has seen of its targets and providers, for the operator and for people."""

from collections.abc import Callable

import msgspec
from aiohttp import web
from multidict import CIMultiDict

from sluice_gateway.discovery.watch import Discovery
from sluice_gateway.server.replies import JSON, json_reply
from sluice_gateway.server.troubles import Troubles
from sluice_gateway.telemetry.target_figures import TargetFigures

MOST_TARGETS = 200
"""Shown at most: callers choose the models of targets that name none, and the operator asks each pod for this."""


class Report:
    """The handler. ``clock`` gives seconds that only grow."""

    def __init__(
        self,
        figures: TargetFigures,
        discovery: Discovery,
        clock: Callable[[], float],
        troubles: Troubles,
    ) -> None:
        self._figures = figures
        self._discovery = discovery
        self._clock = clock
        self._troubles = troubles

    async def show(self, _request: web.BaseRequest) -> web.Response:
        """Targets that were asked lately, what is not well, models that providers do not list, and how asking went."""
        seen = list(self._figures.all(self._clock()).items())[:MOST_TARGETS]
        targets = [
            {
                "provider": provider,
                "model": model,
                "health": one.health,
                "successRate": one.success_rate,
                "averageLatencyMilliseconds": one.average_latency_ms,
                "attempts": one.attempts,
            }
            for (provider, model), one in seen
        ]
        document = {
            "targets": targets,
            "modelsNotOffered": self._discovery.missing(),
            "discovery": self._discovery.described(),
            **self._troubles.described(),
        }
        return json_reply(msgspec.json.encode(document), CIMultiDict({"content-type": JSON, "server": "sluice"}))
