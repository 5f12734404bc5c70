"""The flow of a request, from the parsed call to the last byte of its answer. The file to read first.

route -> plan -> attempt target after target, until one serves -> relay -> the record of what happened.
Stream and non-stream take the same path; nothing here knows the HTTP server in front.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import NamedTuple

from sluice_gateway.attempts import Attempt, AttemptFailed, failure_of, refusal
from sluice_gateway.calls import Call
from sluice_gateway.errors import CallerError, ModelNotFound, ProviderRefused
from sluice_gateway.estimates import Estimates
from sluice_gateway.images import Images
from sluice_gateway.normal.parts import Source
from sluice_gateway.providers.adapter import Fault, FaultKind, Guarded, ProviderFault, WireDefect
from sluice_gateway.relay import Client, Stream
from sluice_gateway.routing.plan import Candidate, make_plan
from sluice_gateway.routing.table import Match, RoutingTable
from sluice_gateway.sse import BadEvent
from sluice_gateway.telemetry.record import LEFT, Record, Recorder
from sluice_gateway.telemetry.target_figures import SERVED, TargetFigures
from sluice_gateway.upstream import (
    Answer,
    AnswerTooLarge,
    Timeouts,
    UpstreamError,
    UpstreamTimeout,
)
from sluice_gateway.ways import Way, Whole, images_to_fetch, way_to

MAX_ANSWER_BYTES = 64 * 1024 * 1024  # of a whole, non-streamed answer: room for images and embeddings
MAX_ERROR_BYTES = 64 * 1024
_LEAST_SECONDS = 0.001  # of a caller's own time, to begin anything in


class Reply(NamedTuple):
    """A whole answer for the caller, in JSON."""

    body: bytes


class Exchange(NamedTuple):
    """One request on its way.

    ``deadline`` is the loop's time by which it must have ended, None without one of the caller's own.
    """

    call: Call
    table: RoutingTable
    record: Record
    client: Client
    deadline: float | None


class Pipeline:
    """Serves calls.

    ``clock`` gives seconds that only grow; ``keepalive_seconds`` of silence in a stream are filled with a comment.
    """

    def __init__(
        self,
        recorder: Recorder,
        figures: TargetFigures,
        clock: Callable[[], float],
        keepalive_seconds: float,
        images: Images,
    ) -> None:
        self._recorder = recorder
        self._figures = figures
        self._images = images
        self._clock = clock
        self._keepalive_seconds = keepalive_seconds
        self._estimates = Estimates()

    async def serve(self, exchange: Exchange) -> Reply | None:
        """Answer a call; None when the answer has been streamed to the client. Raises GatewayError while nothing was
        sent.
        """
        call, record = exchange.call, exchange.record
        match = _match(exchange.table, call.model)
        record.route = match.route.label
        attempts: list[Attempt] = []
        unable: CallerError | None = None
        for candidate in make_plan(match, call.model).to_try():
            if self._is_late(exchange):
                break
            try:
                way = await self._way(exchange, candidate)
            except CallerError as error:
                unable = unable or error  # another target may be able to
                continue
            except AttemptFailed as failed:
                attempts.append(failed.noted(record))
                continue
            if isinstance(way, Whole):
                return Reply(way.body)
            record.tries(candidate.label, candidate.target.kind)
            result: str = LEFT
            asked = self._clock()
            try:
                reply = await self._attempt(exchange, candidate, way)
                result = record.code or SERVED
            except AttemptFailed as failed:
                attempts.append(failed.noted(record))
                result = failed.attempt.fault.kind
            except ProviderRefused:
                result = FaultKind.CALLER
                raise
            else:
                return reply
            finally:
                self._recorder.attempt(candidate.target.kind, result)
                self._figures.note(
                    candidate.target.provider.resource,
                    candidate.model,
                    result,
                    asked=asked,
                    first_byte=record.first_byte,
                    now=self._clock(),
                )
        if unable is not None and not attempts:
            raise unable
        raise failure_of(attempts, late=self._is_late(exchange))

    async def _way(self, exchange: Exchange, candidate: Candidate) -> Way | Whole:
        """The request, ready for a candidate, or answered. Raises CallerError for what it can't do, AttemptFailed when
        it can't be asked now.
        """
        call, provider = exchange.call, candidate.target.provider
        images: Mapping[str, Source] = {}
        try:
            if provider.image_fetch.enabled and (urls := images_to_fetch(provider, call)):
                async with asyncio.timeout_at(exchange.deadline):
                    images = await self._images.fetch(urls, provider.image_fetch)
            with Guarded():
                return way_to(provider, call, candidate.model, exchange.record.request_id, images)
        except TimeoutError:
            fault = Fault(kind=FaultKind.TIMEOUT, status=504, message="the images did not come in the caller's time")
        except WireDefect as error:
            fault, exchange.record.defect = _broken(error), error.__cause__
        raise AttemptFailed(Attempt(candidate.label, fault, None, fault.message, 0.0))

    def _is_late(self, exchange: Exchange) -> bool:
        return exchange.deadline is not None and exchange.deadline - self._clock() < _LEAST_SECONDS

    async def _attempt(self, exchange: Exchange, candidate: Candidate, way: Way) -> Reply | None:
        """Ask one target. Raises AttemptFailed when another may serve, CallerError when none would."""
        target, started = candidate.target, self._clock()
        timeouts = _until(target.timeouts, exchange.deadline, started)
        headers = (("x-request-id", exchange.record.request_id), *way.headers)
        answer = None
        try:
            answer = await target.provider.upstream.send(way.endpoint, way.body, timeouts, headers)
            return await self._relay(exchange, candidate, way, answer)
        except UpstreamError as error:
            fault = _fault(error)
        except BadEvent as error:
            fault = _broken(error)
            if isinstance(error, WireDefect):
                exchange.record.defect = error.__cause__
        except ProviderFault as error:
            fault = error.fault
        finally:
            if answer is not None:
                answer.close()
        if fault.kind is FaultKind.CALLER:
            raise refusal(fault, target.provider.redact)
        reason = target.provider.redact(fault.message)
        if fault.kind is FaultKind.KEY_REFUSED:
            reason = "the provider refused the gateway's key"
        status = answer.status if answer is not None else None
        raise AttemptFailed(Attempt(candidate.label, fault, status, reason, (self._clock() - started) * 1000))

    async def _relay(self, exchange: Exchange, candidate: Candidate, way: Way, answer: Answer) -> Reply | None:
        record, provider = exchange.record, candidate.target.provider
        if theirs := answer.header("x-request-id") or answer.header("request-id"):  # the latter is Anthropic's
            record.provider_request_id = provider.redact(theirs)
        if not 200 <= answer.status < 300:
            body = await _error_body(answer)
            with Guarded():
                raise ProviderFault(provider.wire.adapter.parse_error(answer.status, answer.header, body))
        if exchange.call.stream:
            passage = way.passage()
            try:
                stream = Stream(answer, passage, exchange.client, record, clock=self._clock, redact=provider.redact)
                await stream.relay(self._keepalive_seconds)
            finally:
                record.usage = self._estimates.of_stream(
                    candidate.target.kind, exchange.call, passage.events, passage.usage
                )
            return None
        body = await answer.read(MAX_ANSWER_BYTES)
        record.first_byte = self._clock()
        with Guarded():
            whole = way.whole(body)
        record.usage = self._estimates.of_whole(candidate.target.kind, exchange.call, whole.body, whole.usage)
        return Reply(whole.body)


async def _error_body(answer: Answer) -> bytes:
    """What a provider says of its failure; nothing when that is too long to be words. The status counts either way."""
    try:
        return await answer.read(MAX_ERROR_BYTES)
    except AnswerTooLarge:
        return b""


def _match(table: RoutingTable, model: str) -> Match:
    match = table.match(model)
    if match is None:
        raise ModelNotFound.for_route(model)
    if not match.route.targets_for(model):
        raise ModelNotFound.for_route(model, match.route.label)
    return match


def _until(timeouts: Timeouts, deadline: float | None, now: float) -> Timeouts:
    """``timeouts``, shortened to what is left until the caller's own deadline."""
    if deadline is None or deadline - now >= timeouts.total:
        return timeouts
    left = max(_LEAST_SECONDS, deadline - now)
    return Timeouts(
        connect=min(timeouts.connect, left),
        first_byte=min(timeouts.first_byte, left),
        idle=min(timeouts.idle, left),
        total=left,
    )


def _broken(error: BadEvent) -> Fault:
    return Fault(kind=FaultKind.FAILED, status=502, message=str(error))


def _fault(error: UpstreamError) -> Fault:
    if isinstance(error, UpstreamTimeout):
        return Fault(kind=FaultKind.TIMEOUT, status=504, message=error.reason)
    return Fault(kind=FaultKind.FAILED, status=502, message=error.reason)
