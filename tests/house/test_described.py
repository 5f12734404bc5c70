"""Every path that a listener answers is in the API's description, and nothing else is."""

import io
import time

from sluice_gateway.configuration import Configuration
from sluice_gateway.discovery.watch import Discovery
from sluice_gateway.images import Images
from sluice_gateway.in_flight import InFlight
from sluice_gateway.pipeline import Pipeline
from sluice_gateway.server.app import App
from sluice_gateway.server.inference import Inference
from sluice_gateway.server.models import Models
from sluice_gateway.server.openapi.document import OPERATIONS
from sluice_gateway.server.report import Report
from sluice_gateway.telemetry.log import LineWriter, make_logger
from sluice_gateway.telemetry.metrics import Metrics
from sluice_gateway.telemetry.record import Recorder
from sluice_gateway.telemetry.target_figures import TargetFigures
from sluice_gateway.upstream import LeanUpstream


def app() -> App:
    logger, metrics, http, clock = make_logger(LineWriter(io.BytesIO())), Metrics(), LeanUpstream(), time.monotonic
    figures, recorder, in_flight = TargetFigures(), Recorder(logger, metrics), InFlight(1)
    discovery = Discovery(http, logger)
    configuration = Configuration(http, auth=False, logger=logger, metrics=metrics, discovery=discovery)
    pipeline = Pipeline(recorder, figures, clock, 15.0, Images())
    inference = Inference(configuration, pipeline, recorder, in_flight, clock, 1, 1.0)
    models, report = Models(configuration, figures, clock), Report(figures, discovery, clock)
    return App(inference, configuration, in_flight, metrics, models=models, report=report)


async def test_the_description_has_every_path() -> None:
    door = app().both()
    answered = {*door.paths, *(f"{prefix}{{id}}" for prefix in door.prefixes)}
    assert answered == OPERATIONS.keys()


async def test_each_method_is_the_one_that_is_described() -> None:
    door = app().both()
    methods = {path: {name.lower() for name in given} for path, given in door.paths.items()}
    assert methods == {path: {OPERATIONS[path].method} for path in door.paths}
