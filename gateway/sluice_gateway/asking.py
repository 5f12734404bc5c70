"""One target is asked once, and its answer passed on."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from sluice_gateway.attempts import Attempt, AttemptFailed, refusal
from sluice_gateway.estimates import Estimates
from sluice_gateway.exchange import Exchange, Reply
from sluice_gateway.images import Images
from sluice_gateway.normal.parts import Source
from sluice_gateway.providers.adapter import GUARDED, Fault, FaultKind, ProviderFault, WireDefect
from sluice_gateway.relay import Stream
from sluice_gateway.routing.plan import Candidate
from sluice_gateway.sse import BadEvent
from sluice_gateway.trip import Trip
from sluice_gateway.upstream import Answer, AnswerTooLarge, Timeouts, UpstreamError, UpstreamTimeout
from sluice_gateway.ways import Way, Whole, images_to_fetch, way_to

MAX_ANSWER_BYTES = 64 * 1024 * 1024  # of a whole, non-streamed answer: room for images and embeddings
MAX_ERROR_BYTES = 64 * 1024
NO_IMAGES: Mapping[str, Source] = {}
LEAST_SECONDS = 0.001  # of a request's time, to begin anything in


class Heeds(Protocol):
    """Takes note of what an answer's head says of the provider's own limits."""

    def heed(self, answer: Answer, clock: Callable[[], float]) -> None:
        """``clock`` gives seconds that only grow."""
        ...


class Asker:
    """Asks targets.

    ``clock`` gives seconds that only grow; ``keepalive_seconds`` of silence in a stream are filled with a comment.
    """

    def __init__(
        self, images: Images, estimates: Estimates, clock: Callable[[], float], keepalive_seconds: float
    ) -> None:
        self._images = images
        self._estimates = estimates
        self._clock = clock
        self._keepalive_seconds = keepalive_seconds

    async def way(self, trip: Trip, candidate: Candidate) -> Way | Whole:
        """The request, ready for a candidate, or answered. Raises CallerError for what it can't do, AttemptFailed when
        it can't be asked now.
        """
        fetch = candidate.target.provider.image_fetch
        if not fetch.enabled or not (urls := images_to_fetch(candidate.target.provider, trip.exchange.call)):
            return self.ready(trip.exchange, candidate)
        images = next((images for rules, images in trip.pictures if rules == fetch), None)
        if images is None:
            try:
                async with asyncio.timeout_at(trip.deadline):
                    images = await self._images.fetch(urls, fetch)
            except TimeoutError:
                why = "the images did not come in the caller's time"
                fault = Fault(kind=FaultKind.TIMEOUT, status=504, message=why)
                raise AttemptFailed(Attempt(candidate.label, fault, None, why, 0.0)) from None
            trip.pictures = (*trip.pictures, (fetch, images))
        return self.ready(trip.exchange, candidate, images)

    def ready(self, exchange: Exchange, candidate: Candidate, images: Mapping[str, Source] = NO_IMAGES) -> Way | Whole:
        """The same where no images are to be fetched, or after they were."""
        provider, request_id = candidate.target.provider, exchange.record.request_id
        try:
            with GUARDED:
                return way_to(provider, exchange.call, candidate.model, request_id, images)
        except WireDefect as error:
            fault, exchange.record.defect = _broken(error), error.__cause__
        raise AttemptFailed(Attempt(candidate.label, fault, None, fault.message, 0.0))

    async def ask(
        self, exchange: Exchange, candidate: Candidate, way: Way, deadline: float | None, heeds: Heeds
    ) -> Reply | None:
        """Ask a candidate, and relay what it answers; None when that was streamed. Raises AttemptFailed when another
        may serve, CallerError when none would.
        """
        target, started = candidate.target, self._clock()
        timeouts = _until(target.timeouts, deadline, started)
        headers = (("x-request-id", exchange.record.request_id), *way.headers)
        answer = None
        try:
            answer = await target.provider.upstream.send(way.endpoint, way.body, timeouts, headers)
            heeds.heed(answer, self._clock)
            return await self._relay(exchange, candidate, way, answer)
        except UpstreamError as error:
            fault = _fault(error)
        except BadEvent as error:
            fault = _broken(error)
            if isinstance(error, WireDefect):
                exchange.record.defect = error.__cause__
        except ProviderFault as error:
            fault = error.fault
        except (ConnectionError, asyncio.CancelledError):
            self._left(exchange, candidate)
            raise
        finally:
            if answer is not None:
                answer.close()
        raise self._failure(candidate, fault, answer.status if answer is not None else None, started)

    def _failure(self, candidate: Candidate, fault: Fault, status: int | None, started: float) -> Exception:
        provider = candidate.target.provider
        if fault.kind is FaultKind.CALLER:
            return refusal(fault, provider.redact)
        reason = provider.redact(fault.message)
        if fault.kind is FaultKind.KEY_REFUSED:
            reason = "the provider refused the gateway's key"
        return AttemptFailed(Attempt(candidate.label, fault, status, reason, (self._clock() - started) * 1000))

    def _left(self, exchange: Exchange, candidate: Candidate) -> None:
        """The caller has left while the provider was at work: what it was given to read counts."""
        if exchange.record.usage is None:
            exchange.record.usage = self._estimates.of_prompt(candidate.target.kind, exchange.call)

    async def _relay(self, exchange: Exchange, candidate: Candidate, way: Way, answer: Answer) -> Reply | None:
        record, provider = exchange.record, candidate.target.provider
        if theirs := answer.header("x-request-id") or answer.header("request-id"):  # the latter is Anthropic's
            record.provider_request_id = provider.redact(theirs)
        if not 200 <= answer.status < 300:
            body = await _error_body(answer)
            with GUARDED:
                raise ProviderFault(provider.wire.adapter.parse_error(answer.status, answer.header, body))
        if exchange.call.stream:
            passage = way.passage()
            try:
                stream = Stream(answer, passage, exchange.client, record, clock=self._clock, redact=provider.redact)
                await stream.relay(self._keepalive_seconds)
            finally:
                record.usage = self._estimates.of_stream(
                    candidate.target.kind,
                    exchange.call,
                    passage.events,
                    passage.usage,
                    ended=passage.complete or passage.done,
                )
            return None
        body = await answer.read(MAX_ANSWER_BYTES)
        record.first_byte = self._clock()
        with GUARDED:
            whole = way.whole(body)
        record.usage = self._estimates.of_whole(candidate.target.kind, exchange.call, whole.body, whole.usage)
        return Reply(whole.body)


async def _error_body(answer: Answer) -> bytes:
    """What a provider says of its failure; nothing when that is too long to be words. The status counts either way."""
    try:
        return await answer.read(MAX_ERROR_BYTES)
    except AnswerTooLarge:
        return b""


def _until(timeouts: Timeouts, deadline: float | None, now: float) -> Timeouts:
    """``timeouts``, shortened to what is left until the request's deadline."""
    if deadline is None or deadline - now >= timeouts.total:
        return timeouts
    left = max(LEAST_SECONDS, deadline - now)
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
