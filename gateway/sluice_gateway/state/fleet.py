"""The state that pods share, opened and closed with the process."""

import secrets
import time

from sluice_gateway.limits.local import LocalStore
from sluice_gateway.settings import StateAddress
from sluice_gateway.state.connection import PATIENCE, Link
from sluice_gateway.state.counters import Counters
from sluice_gateway.state.news import News
from sluice_gateway.state.scripts import script
from sluice_gateway.state.shared import SharedStore
from sluice_gateway.telemetry.log import Logger


class State:
    """What is shared: ``store`` keeps count, ``news`` tells the other pods.

    ``observers`` hear why the state Redis is away, or "" when it is back.
    """

    def __init__(self, address: StateAddress, gateway: str, logger: Logger, *, patience: float = PATIENCE) -> None:
        pod = secrets.token_hex(6)
        scripts = (script("reserve"), script("settle"))
        self._link = Link(address, scripts, f"{{sluice/{gateway}}}probe", logger, patience=patience)
        self.observers = self._link.observers
        self.store = SharedStore(self._link, LocalStore(time.time), Counters(gateway, pod), pod)
        self.news = News(self._link, address, gateway, pod, logger)

    async def start(self) -> None:
        """Reach the state Redis. Returns also when it is away: it is looked for as long as the process runs."""
        await self._link.start()
        self.news.start()

    async def close(self) -> None:
        """Tell what is left to tell."""
        await self.news.close()
        await self.store.close()
        await self._link.close()
