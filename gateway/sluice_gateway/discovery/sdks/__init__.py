"""Vendors that are asked through their official clients: one module each, with the function ``models``.

A module is imported when its first listing is due, and runs in a thread of its own: the three clients take a second to
import, and 80 MiB. Keys are given, so that none is taken from the environment.
"""

import asyncio
import contextlib
import importlib
import threading
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

from sluice_gateway.discovery.answers import Offered, Unlisted
from sluice_gateway.providers.listing import Listed
from sluice_gateway.providers.provider import Access

T = TypeVar("T")

SECONDS = 15.0
"""The longest wait of a client for one page."""

NO_KEY = "none"
"""Given where a policy has no key: with nothing at all, clients would look for one in the environment."""


class _Module(Protocol):
    def models(self, access: Access) -> list[Listed]: ...


async def ask(vendor: str, access: Access) -> Offered:
    """The models that a vendor's client lists. Raises Unlisted."""
    return Offered(await _aside(lambda: _asked(vendor, access)))


def _asked(vendor: str, access: Access) -> list[Listed]:
    try:
        module = cast("_Module", importlib.import_module(f"{__name__}.{vendor}"))
        return module.models(access)
    except ImportError as error:
        raise Unlisted(f"the package {error.name or vendor} is missing: install sluice[sdk]") from error
    except Exception as error:
        raise Unlisted(_why(error)) from error


def _why(error: Exception) -> str:
    """Clients' errors quote URLs and pieces of keys: only what is known to be neither is passed on."""
    for name in ("status_code", "code"):
        status = getattr(error, name, None)
        if type(status) is int:
            return f"the provider answered with status {status}"
    return f"the client failed with {type(error).__name__}"


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
