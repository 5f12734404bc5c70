"""Paths and methods: which handler answers what. The API and, in local mode, the internal paths share one listener."""

from collections.abc import Awaitable, Callable, Mapping

import msgspec
from aiohttp import web
from multidict import CIMultiDict

from sluice_gateway.configuration import Configuration
from sluice_gateway.errors import GatewayError, MethodNotAllowed, NotFound, NotReady
from sluice_gateway.in_flight import InFlight
from sluice_gateway.server.inference import Inference
from sluice_gateway.server.models import PREFIX, Models
from sluice_gateway.server.replies import JSON, error_reply, json_reply
from sluice_gateway.telemetry import metrics

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class App:
    """Answers every request of a listener."""

    def __init__(
        self, inference: Inference, configuration: Configuration, in_flight: InFlight, figures: metrics.Metrics
    ) -> None:
        self._configuration = configuration
        self._in_flight = in_flight
        self._figures = figures
        self._models = Models(configuration)
        self._paths: Mapping[str, Mapping[str, Handler]] = {
            "/v1/chat/completions": {"POST": inference.chat_completions},
            "/v1/models": {"GET": self._models.list},
            "/health": {"GET": self._health},
            "/ready": {"GET": self._ready},
            "/metrics": {"GET": self._metrics},
            "/internal/config": {"GET": self._config},
        }
        self._one_model: Mapping[str, Handler] = {"GET": self._models.show}

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Dispatch; errors that no handler has answered are rendered here."""
        try:
            response = await self._handler(request)(request)
        except GatewayError as error:
            response = error_reply(error, CIMultiDict({"content-type": JSON, "server": "sluice"}))
        if self._in_flight.draining:
            response.force_close()  # behind a stream too, though its head has not said so
        return response

    def _handler(self, request: web.BaseRequest) -> Handler:
        path, method = request.path, request.method
        methods = self._paths.get(path)
        if methods is None and path.startswith(PREFIX):
            methods = self._one_model
        if methods is None:
            meant = f"; did you mean /v1{path}?" if f"/v1{path}" in self._paths else ""
            raise NotFound(f"there is nothing at {path[:200]}{meant}")
        handler = methods.get("GET" if method == "HEAD" else method)
        if handler is None:
            raise MethodNotAllowed(method, tuple(methods))
        return handler

    async def _health(self, _request: web.BaseRequest) -> web.Response:
        """The process answers."""
        return _json({"status": "ok"})

    async def _ready(self, _request: web.BaseRequest) -> web.Response:
        """It has a configuration to serve, and is not on its way out."""
        if self._in_flight.draining:
            raise NotReady("the gateway is shutting down")
        if self._configuration.table is None:
            raise NotReady("no configuration has been loaded; see /internal/config")
        return _json({"status": "ready", "config": self._configuration.table.digest})

    async def _metrics(self, _request: web.BaseRequest) -> web.Response:
        self._figures.in_flight.set(self._in_flight.count)
        headers = {"content-type": metrics.CONTENT_TYPE, "server": "sluice"}
        return web.Response(body=self._figures.render(), headers=headers)

    async def _config(self, _request: web.BaseRequest) -> web.Response:
        return _json(self._configuration.described())


def _json(document: dict[str, object]) -> web.Response:
    return json_reply(msgspec.json.encode(document), CIMultiDict({"content-type": JSON, "server": "sluice"}))
