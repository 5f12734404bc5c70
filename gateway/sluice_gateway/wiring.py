"""What is wired to what in a gateway process, and what is opened and closed with it."""

import contextlib
import random
import time
from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple

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

_PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


class Wired(NamedTuple):
    """What a process serves with."""

    configuration: Configuration
    in_flight: InFlight
    app: App


@contextlib.asynccontextmanager
async def wired(
    settings: Settings, environ: Mapping[str, str], logger: Logger, observer: Observer | None
) -> AsyncIterator[Wired]:
    """All parts of a gateway, open for the block."""
    clock, metrics, http = time.monotonic, Metrics(), _upstream(environ)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(http.close)
        images, figures, breakers = Images(), TargetFigures(), Breakers()
        stack.push_async_callback(images.close)
        alerts = Alerts(logger, clock, _webhook(settings, http, logger, metrics))
        stack.push_async_callback(alerts.close)
        discovery = Discovery(http, logger)
        stack.push_async_callback(discovery.close)
        checks = Checks(logger, metrics)
        checks.observers.append(lambda *found: _tell_health(alerts, *found))
        stack.push_async_callback(checks.close)
        state = open_state(settings, logger)
        if state is not None:
            stack.push_async_callback(state.close)
        store = state.store if state is not None else LocalStore(time.time)
        gates = Gates(store, clock)
        fleet = Fleet(breakers, gates, figures, clock, doubtful=checks.healthy, passed=checks.passed)
        configuration = Configuration(
            http,
            auth=settings.auth,
            logger=logger,
            metrics=metrics,
            discovery=discovery,
            observer=observer,
        )
        overrides = Overrides(breakers, clock)
        breakers.observers.append(lambda *change: _tell_breaker(alerts, *change))
        if state is not None:
            hints = Hints(state.news, breakers, lambda: configuration.table, clock)
            breakers.observers.append(hints.changed)
            state.news.subscribe(hints.hear)
            state.news.subscribe(overrides.hear)
            state.observers.append(lambda why: _tell_state(alerts, metrics, why))
            await state.start()
        configuration.followers += [
            checks.follow,
            overrides.follow,
            lambda table: fleet.keep(table.providers),
        ]
        metrics.refreshers.append(lambda: fleet.count(metrics.breakers))
        recorder, in_flight = Recorder(logger, metrics), InFlight(settings.max_in_flight)
        estimates, outputs = Estimates(), ExpectedOutput()
        planner = Planner(fleet, outputs, random.random)
        pipeline = Pipeline(
            asker=Asker(images, estimates, clock, settings.keepalive_seconds),
            planner=planner,
            fleet=fleet,
            store=store,
            recorder=recorder,
            estimates=estimates,
            outputs=outputs,
            clock=clock,
            logger=logger,
        )
        serving, limits = Serving(lambda: configuration.table), Limits(store)
        admin = Admin(
            access=Access(settings.admin_token_file, local=only_this_machine(settings), logger=logger),
            serving=serving,
            breakers=breakers,
            overrides=overrides,
            providers=Providers(
                figures,
                breakers,
                limits,
                clock,
                health=checks.described,
                discovery=discovery.described,
                occupied=gates.all,
            ),
            limits=limits,
            explain=planner.explain,
            news=state.news if state is not None else None,
            clock=clock,
            wall=time.time,
            logger=logger,
            max_body_bytes=settings.max_body_bytes,
        )
        yield Wired(
            configuration,
            in_flight,
            App(
                Inference(
                    configuration, pipeline, recorder, in_flight, clock, settings.max_body_bytes, settings.stall_seconds
                ),
                configuration,
                in_flight,
                metrics,
                models=Models(configuration, figures, clock),
                report=Report(figures, discovery, clock, Troubles(serving, breakers, checks.described, clock)),
                admin=admin,
            ),
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
