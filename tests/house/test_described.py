"""Every path that a listener answers is in the API's description, and nothing else is."""

import contextlib
import io
from collections.abc import AsyncIterator

from sluice_gateway.server.door import Door
from sluice_gateway.server.openapi.document import OPERATIONS
from sluice_gateway.settings import Settings
from sluice_gateway.telemetry.log import LineWriter, make_logger
from sluice_gateway.wiring import wired


@contextlib.asynccontextmanager
async def both() -> AsyncIterator[Door]:
    """All that a gateway answers."""
    async with wired(Settings(), {}, make_logger(LineWriter(io.BytesIO())), None) as parts:
        yield parts.app.both()


async def test_the_description_has_every_path() -> None:
    async with both() as door:
        answered = {*door.paths, *(f"{prefix}{{id}}" for prefix in door.prefixes)}
        assert answered == OPERATIONS.keys()


async def test_each_method_is_the_one_that_is_described() -> None:
    async with both() as door:
        methods = {path: {name.lower() for name in given} for path, given in door.paths.items()}
        assert methods == {path: {OPERATIONS[path].method} for path in door.paths}
