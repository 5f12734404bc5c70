"""What is wired to what in a gateway process, and what is opened and closed with it."""

import contextlib
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from sluice_gateway.alerts.alerts import Alerts
from sluice_gateway.alerts.webhook import Webhook
from sluice_gateway.asking import Asker
from sluice_gateway.configuration import Configuration, Observer
from sluice_gateway.discovery.watch import Discovery
from sluice_gateway.estimates import Estimates
from sluice_gateway.fleet import Fleet
from sluice_gateway.health.checks import Checks
from sluice_gateway.images import Images
from sluice_gateway.in_flight import InFlight
from sluice_gateway.limits.contract import Store
from sluice_gateway.limits.expected import ExpectedOutput
from sluice_gateway.limits.gate import Gates
from sluice_gateway.limits.local import LocalStore
from sluice_gateway.pipeline import Pipeline
from sluice_gateway.planning import Planner
from sluice_gateway.resilience.breaker import State
from sluice_gateway.resilience.breakers import Breakers
from sluice_gateway.server.admin.access import Access, only_this_machine
from sluice_gateway.server.admin.limits import Limits
from sluice_gateway.server.admin.overrides import Overrides
from sluice_gateway.server.admin.paths import Admin
from sluice_gateway.server.admin.providers import Providers
from sluice_gateway.server.app import App
from sluice_gateway.server.inference import Inference
from sluice_gateway.server.models import Models
from sluice_gateway.server.report import Report
from sluice_gateway.server.served import Serving
from sluice_gateway.server.troubles import Troubles
from sluice_gateway.settings import Settings
from sluice_gateway.sharing import Hints
from sluice_gateway.state.state import open_state
from sluice_gateway.telemetry.log import Logger
from sluice_gateway.telemetry.metrics import Metrics
from sluice_gateway.telemetry.record import Recorder
from sluice_gateway.telemetry.target_figures import TargetFigures
from sluice_gateway.upstream import LeanUpstream, SessionUpstream, Upstream

if TYPE_CHECKING:
    from sluice_gateway.state.fleet import State as SharedState

_PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


class Wired(NamedTuple):
    """What a process serves with."""

    configuration: Configuration
    in_flight: InFlight
    app: App


class _Around(NamedTuple):
    """What all parts have in common."""

    settings: Settings
    logger: Logger
    metrics: Metrics
    http: Upstream
    clock: Callable[[], float]
    alerts: Alerts


class _Known(NamedTuple):
    """What is known of providers and targets, and kept for them."""

    discovery: Discovery
    checks: Checks
    breakers: Breakers
    figures: TargetFigures
    overrides: Overrides
    state: "SharedState | None"
    store: Store
    gates: Gates
    fleet: Fleet


@contextlib.asynccontextmanager
async def wired(
    settings: Settings, environ: Mapping[str, str], logger: Logger, observer: Observer | None
) -> AsyncIterator[Wired]:
    """All parts of a gateway, open for the block."""
    metrics, http, images, clock = Metrics(), _upstream(environ), Images(), time.monotonic
    alerts = Alerts(logger, clock, _webhook(settings, http, logger, metrics))
    around = _Around(settings, logger, metrics, http, clock, alerts)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(http.close)
        stack.push_async_callback(images.close)
        stack.push_async_callback(alerts.close)
        known = _known(around)
        stack.push_async_callback(known.discovery.close)
        stack.push_async_callback(known.checks.close)
        configuration = Configuration(
            http, auth=settings.auth, logger=logger, metrics=metrics, discovery=known.discovery, observer=observer
        )
        configuration.followers += [
            known.checks.follow,
            known.overrides.follow,
            lambda table: known.fleet.keep(table.providers),
        ]
        if known.state is not None:
            stack.push_async_callback(known.state.close)
            _share(around, known, configuration, known.state)
            await known.state.start()
        in_flight = InFlight(settings.max_in_flight)
        yield Wired(configuration, in_flight, _app(around, known, configuration, in_flight, images))


def _known(around: _Around) -> _Known:
    settings, logger, metrics, http, clock, alerts = around
    discovery, checks = Discovery(http, logger), Checks(logger, metrics)
    checks.observers.append(partial(_tell_health, alerts))
    breakers, figures = Breakers(), TargetFigures()
    breakers.observers.append(partial(_tell_breaker, alerts))
    state = open_state(settings, logger)
    store: Store = state.store if state is not None else LocalStore(time.time)
    gates = Gates(store, clock)
    fleet = Fleet(breakers, gates, figures, clock, checks)
    metrics.refreshers.append(lambda: fleet.count(metrics.breakers))
    return _Known(discovery, checks, breakers, figures, Overrides(breakers, clock), state, store, gates, fleet)


def _share(around: _Around, known: _Known, configuration: Configuration, state: "SharedState") -> None:
    """Tell other pods, and hear them: before there is anything to hear."""
    hints = Hints(state.news, known.breakers, lambda: configuration.table, around.clock)
    known.breakers.observers.append(hints.changed)
    state.news.subscribe(hints.hear)
    state.news.subscribe(known.overrides.hear)
    state.observers.append(partial(_tell_state, around.alerts, around.metrics))


def _app(around: _Around, known: _Known, configuration: Configuration, in_flight: InFlight, images: Images) -> App:
    settings, clock = around.settings, around.clock
    recorder, estimates, outputs = Recorder(around.logger, around.metrics), Estimates(), ExpectedOutput()
    explains = around.logger.is_enabled_for(logging.DEBUG)
    planner = Planner(known.fleet, outputs, random.random, clock, words=explains)
    pipeline = Pipeline(
        asker=Asker(images, estimates, clock, settings.keepalive_seconds),
        planner=planner,
        fleet=known.fleet,
        store=known.store,
        recorder=recorder,
        estimates=estimates,
        outputs=outputs,
        clock=clock,
        logger=around.logger,
        down=partial(_tell_down, around.alerts),
    )
    configuration.followers.append(lambda table: pipeline.keep({route.label for route in table.routes}))
    serving = Serving(lambda: configuration.table)
    troubles = Troubles(serving, known.breakers, known.checks.described, clock)
    return App(
        Inference(configuration, pipeline, recorder, in_flight, clock, settings.max_body_bytes, settings.stall_seconds),
        configuration,
        in_flight,
        around.metrics,
        models=Models(configuration, known.figures, clock),
        report=Report(known.figures, known.discovery, clock, troubles),
        admin=_admin(around, known, serving, planner),
    )


def _admin(around: _Around, known: _Known, serving: Serving, planner: Planner) -> Admin:
    settings, limits = around.settings, Limits(known.store)
    providers = Providers(
        known.figures,
        known.breakers,
        limits,
        around.clock,
        health=known.checks.described,
        discovery=known.discovery.described,
        occupied=known.gates.all,
    )
    return Admin(
        access=Access(settings.admin_token_file, local=only_this_machine(settings), logger=around.logger),
        serving=serving,
        breakers=known.breakers,
        overrides=known.overrides,
        providers=providers,
        limits=limits,
        explain=planner.explain,
        news=known.state.news if known.state is not None else None,
        clock=around.clock,
        wall=time.time,
        logger=around.logger,
        max_body_bytes=settings.max_body_bytes,
    )


def _tell_health(alerts: Alerts, provider: str, healthy: bool, reason: str) -> None:
    if healthy:
        alerts.event("provider_healthy", provider=provider)
    else:
        alerts.event("provider_unhealthy", provider=provider, reason=reason)


def _tell_breaker(alerts: Alerts, provider: str, model: str, state: State, by_hand: bool) -> None:
    if state is State.OPEN:
        alerts.event("breaker_open", provider=provider, model=model, by_hand=by_hand)
    elif state is State.CLOSED:
        alerts.event("breaker_closed", provider=provider, model=model, by_hand=by_hand)


def _tell_down(alerts: Alerts, route: str) -> None:
    alerts.event("route_down", route=route)


def _tell_state(alerts: Alerts, metrics: Metrics, why: str) -> None:
    metrics.state_store.set(not why)
    if why:
        alerts.event("state_store_away", reason=why)
    else:
        alerts.event("state_store_back")


def _webhook(settings: Settings, http: Upstream, logger: Logger, metrics: Metrics) -> Webhook | None:
    if not settings.alert_webhook:
        return None
    source = {"gateway": f"{settings.namespace}/{settings.gateway}"}
    return Webhook(settings.alert_webhook, http, logger, metrics, source)


def _upstream(environ: Mapping[str, str]) -> Upstream:
    """The lean leg; behind a forward proxy, aiohttp's client, which knows how to speak to one."""
    if any(environ.get(name) or environ.get(name.lower()) for name in _PROXY_VARIABLES):
        return SessionUpstream(environ)
    return LeanUpstream()
