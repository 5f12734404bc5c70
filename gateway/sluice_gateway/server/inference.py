"""Requests for a model: read, identify, hand to the pipeline, answer; and the record of each, however it ends."""

import asyncio
import itertools
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from sluice_gateway.calls import Shape, parse
from sluice_gateway.configuration import Configuration
from sluice_gateway.dialects.registry import errors_of
from sluice_gateway.errors import CallerError, GatewayError, NotReady
from sluice_gateway.exchange import Exchange
from sluice_gateway.in_flight import InFlight
from sluice_gateway.pipeline import Pipeline
from sluice_gateway.routing.table import RoutingTable
from sluice_gateway.server.body import read_json_body
from sluice_gateway.server.delivery import deliver
from sluice_gateway.server.replies import JSON, StreamReply, error_reply, headers_of
from sluice_gateway.telemetry.record import CLIENT_LEFT, LEFT, Record, Recorder

# A random number a process and a counter: unique like a random number a request, without a system call for each.
_PROCESS = secrets.token_hex(8)
_numbers = itertools.count(1)
_MILLISECONDS = re.compile(r"[0-9]{1,16}")
_BETA = re.compile(r"[A-Za-z0-9._, -]{1,1024}")  # names of features, as Anthropic's page "Beta headers" has them
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Inference:
    """The handlers of all endpoints that ask a model, by their shapes."""

    configuration: Configuration
    pipeline: Pipeline
    recorder: Recorder
    in_flight: InFlight
    clock: Callable[[], float]
    max_body_bytes: int
    stall_seconds: float

    def handler(self, shape: Shape) -> Handler:
        """The handler of the endpoint of a shape."""

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            return await self._handle(request, shape)

        return handle

    async def _handle(self, request: web.BaseRequest, shape: Shape) -> web.StreamResponse:
        """Serve one request; each gives exactly one log line."""
        record = Record(_request_id(request), request.method, request.path, self.clock())
        table = self.configuration.table
        try:
            self.in_flight.enter(request.task)
            try:
                return await self._serve(request, shape, record, table)
            finally:
                self.in_flight.leave(request.task)
        except GatewayError as error:
            record.failed(error.status, error.code or "", error.message, error.label)
            return error_reply(error, headers_of(record, JSON, table), errors_of(shape))
        except asyncio.CancelledError:
            if self.in_flight.given_up:
                record.failed(NotReady.status, NotReady.code or "", "the grace period was over")
            raise
        except ConnectionError:
            raise  # the caller has left, and nothing else was noted
        except Exception as error:  # a defect: the connection answers it
            record.failed(GatewayError.status, GatewayError.code or "", type(error).__name__)
            raise
        finally:
            self.recorder.write(record, self.clock())

    async def _serve(
        self, request: web.BaseRequest, shape: Shape, record: Record, table: RoutingTable | None
    ) -> web.StreamResponse:
        if table is None:
            raise NotReady("no configuration has been loaded; see /internal/config", retry_after=1)
        record.consumer = self.configuration.callers.identify(key_header(request))
        call = parse(await read_json_body(request, self.max_body_bytes), shape)
        given = request.headers
        if "anthropic-beta" in given and _BETA.fullmatch(beta := ",".join(given.getall("anthropic-beta"))):
            call.headers = (("anthropic-beta", beta),)
        record.model, record.stream = call.model, call.stream
        client = StreamReply(request, record, table, self.stall_seconds)
        strategy = given.get("x-routing-strategy", "")
        exchange = Exchange(call, table, record, client, self._deadline(request, record), strategy)
        try:
            reply = await self.pipeline.serve(exchange)
        except ConnectionError:
            record.failed(CLIENT_LEFT, LEFT, "the caller closed the connection")
            reply = None
        except asyncio.CancelledError:
            if self.in_flight.given_up and client.started:
                client.write(errors_of(shape).error_event(NotReady("the gateway is shutting down")))
            raise
        if reply is None and client.response is not None:
            return client.response
        if reply is None:
            raise asyncio.CancelledError
        headers, last = headers_of(record, JSON, table), self.in_flight.draining
        response = await deliver(reply.body, headers, request, last=last, stall_seconds=self.stall_seconds)
        record.served()
        return response

    def _deadline(self, request: web.BaseRequest, record: Record) -> float | None:
        """From the header x-request-timeout-ms. Raises CallerError."""
        text = request.headers.get("x-request-timeout-ms")
        if text is None:
            return None
        if not _MILLISECONDS.fullmatch(text) or not 0 < int(text) <= 86_400_000:
            raise CallerError("x-request-timeout-ms must be a whole number of milliseconds, from 1 to 86400000")
        return record.started + int(text) / 1000


def key_header(request: web.BaseRequest) -> str | None:
    """The caller's key as OpenAI's clients send it, or as Anthropic's do."""
    given = request.headers.get("authorization")
    if given is None and (key := request.headers.get("x-api-key")) is not None:
        return f"Bearer {key}"
    return given


def _request_id(request: web.BaseRequest) -> str:
    """The caller's own x-request-id when it is fit for headers and logs, else a new one."""
    given = request.headers.get("x-request-id")
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given
    return f"req_{_PROCESS}{next(_numbers):08x}"
