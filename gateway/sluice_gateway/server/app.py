"""Which handler answers at which path, and which listener has it: the API's, the internal one, or one for both."""

from collections.abc import Mapping

import msgspec
from aiohttp import web
from multidict import CIMultiDict

from sluice_gateway.calls import Shape
from sluice_gateway.configuration import Configuration
from sluice_gateway.dialects.dialect import ErrorWriter
from sluice_gateway.dialects.registry import errors_of
from sluice_gateway.errors import NotReady
from sluice_gateway.in_flight import InFlight
from sluice_gateway.server.admin.paths import Admin
from sluice_gateway.server.door import Door, Methods
from sluice_gateway.server.inference import Inference
from sluice_gateway.server.models import PREFIX, Models
from sluice_gateway.server.openapi.pages import DOCUMENT, PAGE
from sluice_gateway.server.openapi.serving import Description
from sluice_gateway.server.replies import JSON, json_reply
from sluice_gateway.server.report import Report
from sluice_gateway.telemetry import metrics

ENDPOINTS: Mapping[str, Shape] = {
    "/v1/chat/completions": Shape.CHAT,
    "/v1/completions": Shape.COMPLETIONS,
    "/v1/embeddings": Shape.EMBEDDINGS,
    "/v1/responses": Shape.RESPONSES,
    "/v1/messages": Shape.MESSAGES,
    "/v1/messages/count_tokens": Shape.COUNT_TOKENS,
}


class App:
    """All handlers of a gateway."""

    def __init__(
        self,
        inference: Inference,
        configuration: Configuration,
        in_flight: InFlight,
        figures: metrics.Metrics,
        *,
        models: Models,
        report: Report,
        admin: Admin,
    ) -> None:
        self._configuration = configuration
        self._in_flight = in_flight
        self._figures = figures
        self._one_model: Methods = {"GET": models.show}
        self._probes: Mapping[str, Methods] = {"/health": {"GET": self._health}, "/ready": {"GET": self._ready}}
        self._api: Mapping[str, Methods] = {
            **{path: {"POST": inference.handler(shape)} for path, shape in ENDPOINTS.items()},
            "/v1/models": {"GET": models.list},
        }
        self._internal: Mapping[str, Methods] = {
            "/metrics": {"GET": self._metrics},
            "/internal/config": {"GET": self._config},
            "/internal/report": {"GET": report.show},
            **admin.paths(),
        }

    def api(self) -> Door:
        """For applications: what a Service shows to the cluster."""
        return self._door({**self._api, **self._probes}, models=True)

    def internal(self) -> Door:
        """For Prometheus, the operator and the kubelet: never shown to applications."""
        return self._door({**self._internal, **self._probes}, models=False)

    def both(self) -> Door:
        """For a laptop."""
        return self._door({**self._api, **self._internal, **self._probes}, models=True)

    def _door(self, paths: Mapping[str, Methods], *, models: bool) -> Door:
        """With a description of itself. Raises ValueError for a path of which nothing is said."""
        below: Mapping[str, Methods] = {PREFIX: self._one_model} if models else {}
        described = Description((*paths, *(f"{prefix}{{id}}" for prefix in below), DOCUMENT, PAGE))
        pages: Mapping[str, Methods] = {DOCUMENT: {"GET": described.show}, PAGE: {"GET": described.show_page}}
        return Door({**paths, **pages}, below, self._in_flight, _errors_at)

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


def _errors_at(path: str) -> ErrorWriter:
    """How errors are told to callers of a path, its endpoint's methods and what lies below it included."""
    below = next((shape for known, shape in ENDPOINTS.items() if path.startswith(f"{known}/")), Shape.CHAT)
    return errors_of(ENDPOINTS.get(path, below))


def _json(document: dict[str, object]) -> web.Response:
    return json_reply(msgspec.json.encode(document), CIMultiDict({"content-type": JSON, "server": "sluice"}))
