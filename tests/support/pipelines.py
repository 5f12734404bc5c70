"""The pipeline without a server in front of it."""

import time
from collections.abc import Callable

from sluice_gateway.asking import Asker
from sluice_gateway.estimates import Estimates
from sluice_gateway.fleet import Fleet
from sluice_gateway.health.checks import Checks
from sluice_gateway.images import Images
from sluice_gateway.limits.contract import Store
from sluice_gateway.limits.expected import ExpectedOutput
from sluice_gateway.limits.gate import Gates
from sluice_gateway.limits.local import LocalStore
from sluice_gateway.pipeline import Pipeline
from sluice_gateway.planning import Planner
from sluice_gateway.resilience.breakers import Breakers
from sluice_gateway.telemetry.log import make_logger
from sluice_gateway.telemetry.metrics import Metrics
from sluice_gateway.telemetry.record import Recorder
from sluice_gateway.telemetry.target_figures import TargetFigures


def make_pipeline(
    clock: Callable[[], float], images: Images, recorder: Recorder | None = None, store: Store | None = None
) -> Pipeline:
    """A pipeline of its own parts, with limits kept in this process unless there is another ``store``."""
    logger = make_logger()
    estimates, outputs, store = Estimates(), ExpectedOutput(), store or LocalStore(time.time)
    fleet = Fleet(Breakers(), Gates(store, clock), TargetFigures(), clock, Checks(logger, Metrics()))
    planner = Planner(fleet, outputs, lambda: 0.5, clock, words=False)
    asker = Asker(images, estimates, clock, 15.0)
    recorder = recorder or Recorder(logger, Metrics())
    return Pipeline(
        asker=asker,
        planner=planner,
        fleet=fleet,
        store=store,
        recorder=recorder,
        estimates=estimates,
        outputs=outputs,
        clock=clock,
        logger=logger,
    )
