"""What a listener answers: its paths, their methods, and what is said when there is nothing."""

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web
from multidict import CIMultiDict

from sluice_gateway.dialects.dialect import ErrorWriter
from sluice_gateway.errors import GatewayError, MethodNotAllowed, NotFound
from sluice_gateway.in_flight import InFlight
from sluice_gateway.server.replies import JSON, error_reply

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Methods = Mapping[str, Handler]


class Door:
    """Answers every request of one listener.

    ``paths`` and ``prefixes`` give the handlers by method; ``errors`` how errors are told to callers of a path. In a
    drain, each answer closes its connection.
    """

    def __init__(
        self,
        paths: Mapping[str, Methods],
        prefixes: Mapping[str, Methods],
        in_flight: InFlight,
        errors: Callable[[str], ErrorWriter],
    ) -> None:
        self.errors = errors
        self.paths = paths
        self.prefixes = prefixes
        self._in_flight = in_flight

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Dispatch; errors that no handler has answered are rendered here."""
        try:
            response = await self._handler(request)(request)
        except GatewayError as error:
            headers = CIMultiDict({"content-type": JSON, "server": "sluice"})
            response = error_reply(error, headers, self.errors(request.path))
        if self._in_flight.draining:
            response.force_close()  # behind a stream too, though its head has not said so
        return response

    def _handler(self, request: web.BaseRequest) -> Handler:
        path, method = request.path, request.method
        methods = self.paths.get(path) or self._below(path)
        if methods is None:
            meant = f"; did you mean /v1{path}?" if f"/v1{path}" in self.paths else ""
            raise NotFound(f"there is nothing at {path[:200]}{meant}")
        handler = methods.get("GET" if method == "HEAD" else method)
        if handler is None:
            raise MethodNotAllowed(method, tuple(methods))
        return handler

    def _below(self, path: str) -> Methods | None:
        return next((methods for prefix, methods in self.prefixes.items() if path.startswith(prefix)), None)
