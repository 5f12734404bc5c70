"""The operator's own HTTP: probes and metrics."""

from collections.abc import Callable

from aiohttp import web

from sluice_operator.errors import CannotListen
from sluice_operator.telemetry.metrics import CONTENT_TYPE

Probe = Callable[[], str]
"""Says why not; empty when all is well."""


class Server:
    """Serves /healthz, /readyz and /metrics until closed. Who answers is healthy: what breaks ends the process."""

    def __init__(self, ready: Probe, metrics: Callable[[], bytes]) -> None:
        app = web.Application()
        app.router.add_get("/healthz", lambda _: _answer(""))
        app.router.add_get("/readyz", lambda _: _answer(ready()))
        app.router.add_get("/metrics", lambda _: _text(metrics()))
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)

    async def listen(self, host: str, port: int) -> int:
        """Begin to serve; the port. Raises CannotListen."""
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host or None, port).start()
        except OSError as error:
            raise CannotListen(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
        taken: int = self._runner.addresses[0][1]
        return taken

    async def close(self) -> None:
        """Stop to serve."""
        await self._runner.cleanup()


async def _answer(problem: str) -> web.Response:
    return web.Response(text=f"{problem or 'ok'}\n", status=503 if problem else 200)


async def _text(content: bytes) -> web.Response:
    return web.Response(body=content, headers={"content-type": CONTENT_TYPE})
