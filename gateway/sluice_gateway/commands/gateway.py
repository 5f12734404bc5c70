"""``sluice gateway``: the gateway in a pod, from what the operator publishes."""

import asyncio
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import uvloop

from sluice_config.compile import Gateway
from sluice_gateway.process import CannotListen, Process, allow_many_connections, settle_memory
from sluice_gateway.settings import Settings
from sluice_gateway.sources.api_server import Access
from sluice_gateway.sources.cluster import ClusterSource
from sluice_gateway.sources.pod import PodSource
from sluice_gateway.sources.source import Loaded, Refused
from sluice_gateway.sources.volume import Volume
from sluice_gateway.telemetry.log import LineWriter, Logger, log_defect, make_logger

VOLUME = Path("/etc/sluice")
"""Where the manifests mount what the operator publishes."""


def run(settings: Settings, access: Access, volume: Path, environ: Mapping[str, str]) -> int:
    """Serve until told to stop. Returns the exit code. All that it says is a line of JSON."""
    gateway = Gateway(namespace=settings.namespace, name=settings.gateway)
    lines = LineWriter(sys.stderr.buffer)
    logger = make_logger(lines, settings.log_level)

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: log_defect(logger, context["message"], context.get("exception")))
        source = PodSource(ClusterSource(access, gateway, logger), Volume(volume, gateway))
        process = Process(settings, source, logger, environ, lambda event: _say_findings(event, logger))
        process.listening.add_done_callback(lambda _: _say_addresses(process, logger))
        loop.add_signal_handler(signal.SIGTERM, process.stop)
        loop.add_signal_handler(signal.SIGINT, process.interrupt)
        settle_memory()
        await process.run()

    async def serve_or_say_why_not() -> int:
        failure = None
        try:
            await serve()
        except CannotListen as error:
            failure = str(error)
        if failure:
            logger.error("cannot start", reason=failure)
        return 1 if failure else 0

    allow_many_connections()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(serve_or_say_why_not())
    finally:
        lines.flush()


def _say_addresses(process: Process, logger: Logger) -> None:
    logger.info("listening", api=str(process.listening.result()), internal=str(process.internal))


def _say_findings(event: Loaded | Refused, logger: Logger) -> None:
    """What is served in part only. A refusal has been said with its findings."""
    if isinstance(event, Loaded) and event.findings:
        logger.warning("configuration has findings", findings=[str(finding) for finding in event.findings])
