"""Vendors that are asked through their official clients: one module each, with the functions ``models`` and ``greet``.

A module is imported when it is first needed, and runs in a thread of its own: the three clients take a second to
import, and 80 MiB. Keys are given, so that none is taken from the environment.
"""

import asyncio
import contextlib
import importlib
import threading
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

from sluice_gateway.discovery.answers import NoClient, Offered, Unlisted
from sluice_gateway.providers.listing import Listed
from sluice_gateway.providers.provider import Access

T = TypeVar("T")

SECONDS = 15.0
"""The longest wait of a client for one page."""

NO_KEY = "none"
"""Given where a policy has no key: with nothing at all, clients would look for one in the environment."""


class _Module(Protocol):
    def models(self, access: Access) -> list[Listed]: ...

    def greet(self, access: Access, seconds: float) -> None: ...


async def ask(vendor: str, access: Access) -> Offered:
    """The models that a vendor's client lists. Raises Unlisted."""
    return Offered(await _aside(lambda: _asked(vendor, lambda module: module.models(access))))


async def greet(vendor: str, access: Access, seconds: float) -> None:
    """Ask a vendor the least that its client can: whether it is there, and takes the key. Raises Unlisted.

    ``seconds``: the longest wait of the client, which goes on when nobody waits for it any more.
    """
    await _aside(lambda: _asked(vendor, lambda module: module.greet(access, seconds)))


def _asked(vendor: str, question: Callable[[_Module], T]) -> T:
    try:
        return question(cast("_Module", importlib.import_module(f"{__name__}.{vendor}")))
    except ImportError as error:
        raise NoClient(f"the package {error.name or vendor} is missing: install sluice[sdk]") from error
    except Unlisted:
        raise
    except Exception as error:
        raise _unlisted(error) from error


def _unlisted(error: Exception) -> Unlisted:
    """Clients' errors quote URLs and pieces of keys: only what is known to be neither is passed on."""
    for name in ("status_code", "code"):
        status = getattr(error, name, None)
        if type(status) is int:
            return Unlisted(f"the provider answered with status {status}", status)
    return Unlisted(f"the client failed with {type(error).__name__}")


async def _aside(call: Callable[[], T]) -> T:
    """What ``call`` returns or raises (Unlisted), from a thread that nobody waits for when the process ends."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(set_outcome: Callable[[Any], None], outcome: object) -> None:
        if not future.done():
            set_outcome(outcome)

    def run() -> None:
        outcome: tuple[Callable[[Any], None], object]
        try:
            outcome = future.set_result, call()
        except Unlisted as error:
            outcome = future.set_exception, error
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, *outcome)

    threading.Thread(target=run, name="sluice-discovery", daemon=True).start()
    return await future
