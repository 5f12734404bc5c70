"""Opening the state that the settings speak of."""

import importlib
from typing import TYPE_CHECKING

from sluice_gateway.settings import Settings
from sluice_gateway.telemetry.log import Logger

if TYPE_CHECKING:
    from sluice_gateway.state.fleet import State


def open_state(settings: Settings, logger: Logger) -> "State | None":
    """The shared state, to be started; None when this process keeps its own.

    The client library takes a tenth of a second to import, and 20 MiB: a process without a state Redis goes without.
    """
    if settings.state is None:
        return None
    state: State = importlib.import_module("sluice_gateway.state.fleet").State(
        settings.state, f"{settings.namespace}/{settings.gateway}", logger
    )
    return state
