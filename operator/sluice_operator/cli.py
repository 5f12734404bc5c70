"""The ``sluice-operator`` command."""

import argparse
import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import uvloop

from sluice_operator.errors import CannotListen, InvalidSetting, OperatorError
from sluice_operator.kube.access import Access
from sluice_operator.process import Process
from sluice_operator.settings import Settings
from sluice_operator.telemetry.log import LibraryLines, Logger, log_defects, make_logger


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sluice-operator",
        description="Compiles Sluice's resources, and writes what gateways run and what users are told.",
    )
    parser.add_argument("--namespaces", metavar="A,B", help="serve only these (SLUICE_NAMESPACES; all)")
    parser.add_argument("--listen", metavar="HOST:PORT", help="probes and metrics (SLUICE_LISTEN; :8080)")
    parser.add_argument("--kubeconfig", type=Path, metavar="FILE", help="outside of a pod (KUBECONFIG)")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Returns the exit code: 0 when told to stop, 1 when it can't go on, 2 for a wrong setting."""
    arguments = _parser().parse_args(argv)
    try:
        settings = Settings.read(
            os.environ, namespaces=arguments.namespaces, listen=arguments.listen, kubeconfig=arguments.kubeconfig
        )
        logger = make_logger(level=settings.log_level)
        log_defects(logger)
        logging.basicConfig(handlers=[LibraryLines(logger)], level=logging.WARNING)
        return uvloop.run(_run(settings, logger))
    except InvalidSetting as error:
        sys.stderr.write(f"sluice-operator: {error}\n")
        return 2


def _settle_memory() -> None:
    """Keep the garbage collector from walking through what start-up made, and from beginning anew at every page of a
    list: it took a quarter of the CPU of a change among 1,000 routes.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


async def _run(settings: Settings, logger: Logger) -> int:
    _settle_memory()
    loop = asyncio.get_running_loop()
    # As many threads as there is work at a time: each has a heap of its own, which never gets smaller.
    loop.set_default_executor(ThreadPoolExecutor(2, "work"))
    process = Process(settings, Access.find(settings.kubeconfig), logger)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, process.stop)
    try:
        await process.run()
    except (OperatorError, CannotListen) as error:
        cause = f": {error.__cause__}" if error.__cause__ else ""
        what = f"{error}{cause}"
    else:
        return 0
    logger.error("ended", error=what)
    return 1
