"""Runs one golden case of a wire shape or a dialect: what goes in is a file, what comes out is text to compare."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from sluice_gateway.calls import Shape
from sluice_gateway.dialects import registry
from sluice_gateway.dialects.dialect import Asked
from sluice_gateway.errors import GatewayError, ProviderError
from sluice_gateway.passages import TranslatedPassage
from sluice_gateway.providers.adapter import Facts, Fault, ProviderFault, Wire
from sluice_gateway.providers.parameters import fit
from sluice_gateway.providers.registry import wire_named
from sluice_gateway.providers.vendors import VENDORS
from sluice_gateway.sse import BadEvent, Framer

ASKED_USAGE = {"stream": True, "stream_options": {"include_usage": True}}


def wire_of(vendor: str) -> Wire:
    """The wire shape of a vendor, or of that name."""
    wire = wire_named(VENDORS[vendor].wire if vendor in VENDORS else vendor)
    assert wire is not None, f"no wire shape for {vendor}"
    return wire


class Translation:
    """Between callers of ``shape`` and the provider ``vendor``."""

    def __init__(self, vendor: str, shape: Shape = Shape.CHAT) -> None:
        self.vendor = vendor
        self.wire = wire_of(vendor)
        self.shape = shape

    def run(self, file: Path) -> str:
        """What becomes of a file ``<kind>-<rule>.in.*``; the kind is request, response, stream or error."""
        kind = file.name.partition("-")[0]
        if kind == "stream":
            return self.stream(file.read_bytes()).decode()
        result = {"request": self._request, "response": self._response, "error": self._error}[kind](file.read_bytes())
        return json.dumps(result, indent=2, ensure_ascii=False) + "\n"

    def _request(self, data: bytes) -> Any:
        case = json.loads(data)
        shape = Shape(case.get("shape", self.shape))
        facts = self._facts(case)
        try:
            return self._built(shape, facts, case["body"])
        except GatewayError as error:
            told = {"status": error.status, "code": error.code, "param": error.param, "message": error.message}
            return {"error": told}

    def _facts(self, case: dict[str, Any]) -> Facts:
        said = dict(case.get("facts", {}))
        if "capabilities" in said:
            said["capabilities"] = frozenset(said["capabilities"])
        quirks = VENDORS[self.vendor].quirks if self.vendor in VENDORS else Facts(model="").quirks
        return Facts(
            model=case.get("model", "m"), vendor=self.vendor, policy=case.get("policy", "strict"), quirks=quirks, **said
        )

    def _built(self, shape: Shape, facts: Facts, document: dict[str, Any]) -> Any:
        if shape in registry.EMBEDDINGS:
            assert self.wire.embeddings is not None
            body = self.wire.embeddings.build_request(registry.EMBEDDINGS[shape].read(document), facts)
            return {"path": self.wire.embeddings_path, "body": json.loads(body)}
        read = registry.CHAT[shape].read(document)
        request = fit(read, self.wire.parameters, facts.policy, facts.vendor)
        path = self.wire.chat_stream if request.stream and self.wire.chat_stream else self.wire.chat
        return {"path": path, "body": json.loads(self.wire.adapter.build_request(request, facts))}

    def _response(self, data: bytes) -> Any:
        try:
            answer = self.wire.adapter.parse_response(data)
            return json.loads(registry.CHAT[self.shape].answer(answer, self._asked({})))
        except ProviderFault as error:
            return {"fault": described(error.fault)}
        except BadEvent as error:
            return {"bad": str(error)}

    def _error(self, data: bytes) -> Any:
        case = json.loads(data)
        headers = {name.lower(): value for name, value in case.get("headers", {}).items()}
        return described(self.wire.adapter.parse_error(case["status"], headers.get, case["body"].encode()))

    def _asked(self, document: dict[str, Any]) -> Asked:
        return Asked(document=document, model="the-model", id="req_1", created=1767225600)

    def stream(self, data: bytes, *, cut: int | None = None) -> bytes:
        """The caller's frames. ``cut``: the place at which the stream's bytes come in two pieces."""
        dialect = registry.CHAT[self.shape]
        writer = dialect.stream(self._asked(ASKED_USAGE))
        passage = TranslatedPassage(self.wire.adapter.parse_event, writer, dialect, choices=1)
        framer = Framer()
        out = b""
        frames = b""
        try:
            for piece in (data,) if cut is None else (data[:cut], data[cut:]):
                frames = framer.feed(piece)
                out += passage.take(frames)
            frames = framer.rest()
            out += passage.take(frames)
        except (BadEvent, ProviderFault) as error:
            return out + passage.salvage(frames) + passage.fail(ProviderError(f"the stream broke off: {error}"))
        if not passage.finished and not passage.done:
            return out + passage.fail(ProviderError("the stream broke off: it ended before its answer did"))
        return out + passage.end()


def described(fault: Fault) -> dict[str, Any]:
    """A fault as a document."""
    return {field.name: getattr(fault, field.name) for field in dataclasses.fields(fault)}
