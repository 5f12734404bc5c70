"""Google's Gemini, through the Gemini API and through Vertex AI (their references: "generateContent").

Both speak one shape and differ in paths, keys and where they find files.
"""

from collections.abc import Callable, Sequence
from typing import Any

from sluice_gateway.normal.answers import ChatAnswer, Delta
from sluice_gateway.normal.requests import ChatRequest
from sluice_gateway.providers.adapter import Facts, Fault, Wire
from sluice_gateway.providers.google.embeddings import GoogleEmbeddings
from sluice_gateway.providers.google.faults import read_error
from sluice_gateway.providers.google.requests import IN_CONFIG, TOP_LEVEL, build_request
from sluice_gateway.providers.google.streams import read_answer, read_event
from sluice_gateway.providers.parameters import Parameters


class GoogleAdapter:
    """generateContent. ``schemes`` begin the URIs of files that the API opens itself."""

    def __init__(self, schemes: tuple[str, ...]) -> None:
        self._schemes = schemes

    def build_request(self, request: ChatRequest, facts: Facts) -> bytes:
        """The body."""
        return build_request(request, facts, self._schemes)

    def parse_response(self, body: bytes) -> ChatAnswer:
        """A whole answer."""
        return read_answer(body)

    def parse_event(self, data: bytes, memory: dict[str, Any]) -> Sequence[Delta]:
        """One chunk."""
        return read_event(data, memory)

    def parse_error(self, status: int, header: Callable[[str], str | None], body: bytes) -> Fault:
        """An answer of another status."""
        return read_error(status, header, body)


# "GenerationConfig"; seeds are 32-bit integers.
_PARAMETERS = Parameters(
    unsupported=frozenset({"logit_bias", "verbosity"}),
    cuts_calls=True,
    ranges={
        "temperature": (0, 2),
        "top_p": (0, 1),
        "presence_penalty": (-2, 2),
        "frequency_penalty": (-2, 2),
        "top_logprobs": (0, 20),
        "n": (1, 8),
        "seed": (-(2**31), 2**31 - 1),
    },
    most_stops=5,
    extra=TOP_LEVEL | IN_CONFIG,
)

# The version that Google's own SDK speaks: in v1, calls have no ids and no mode holds them to their schemas.
_VERTEX = "/v1beta1/projects/{project}/locations/{location}/publishers/google/models/{model}"

GOOGLE = Wire(
    name="google",
    adapter=GoogleAdapter(("https://",)),
    chat="/v1beta/models/{model}:generateContent",
    chat_stream="/v1beta/models/{model}:streamGenerateContent?alt=sse",
    embeddings=GoogleEmbeddings(in_config=False),
    embeddings_path="/v1beta/models/{model}:batchEmbedContents",
    key_header="x-goog-api-key",
    key_prefix="",
    parameters=_PARAMETERS,
    image_urls=False,
)

VERTEX = Wire(
    name="vertex",
    adapter=GoogleAdapter(("https://", "gs://")),
    chat=f"{_VERTEX}:generateContent",
    chat_stream=f"{_VERTEX}:streamGenerateContent?alt=sse",
    embeddings=GoogleEmbeddings(in_config=True),
    embeddings_path=f"{_VERTEX}:batchEmbedContents",
    parameters=_PARAMETERS,
    image_urls=False,
)
