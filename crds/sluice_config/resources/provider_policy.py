"""ProviderPolicy: how one provider is reached, what its models cost and can do, and how hard it may be used."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from sluice_config.resources.base import Resource, Rule, Section, Unique
from sluice_config.resources.scalars import (
    BaseURL,
    DataKey,
    Decimal,
    HeaderName,
    HeaderValue,
    Label,
    Line,
    ModelName,
    ObjectName,
    Paragraph,
    ParameterName,
    URLPath,
    Word,
)

Vendor = Literal[
    "openai",
    "azure",
    "anthropic",
    "google",
    "groq",
    "deepseek",
    "huggingface",
    "cohere",
    "ollama",
    "vllm",
    "llamacpp",
    "openai-compatible",
    "mock",
]

Capability = Literal["chat", "tools", "vision", "audio", "json", "embeddings", "reasoning"]

WITHOUT_DEFAULT_URL = ("azure", "vllm", "llamacpp", "openai-compatible")
"""Vendors that have no public address of their own."""

RESERVED_HEADERS = (
    "accept-encoding",
    "api-key",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "traceparent",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-api-key",
    "x-goog-api-key",
    "x-request-id",
)
"""Headers that the gateway itself sets, that carry keys, or that would change how the message is framed."""


class ServiceRef(Section):
    """A Service of the policy's namespace that answers for the provider."""

    name: Label
    """The Service's name."""
    port: int = Field(ge=1, le=65535)
    """The Service's port, not the pod's."""
    path: URLPath | None = None
    """Path of the API below the Service; the vendor's usual one when absent (/v1 for OpenAI's shape)."""
    scheme: Literal["http", "https"] = "http"
    """How to talk to the Service."""


class SecretKeyRef(Section):
    """One key of a Secret of the same namespace."""

    name: ObjectName
    """The Secret's name."""
    key: DataKey
    """The key within the Secret."""


class Credentials(Section):
    """Where the provider's API key is."""

    secret_ref: SecretKeyRef
    """The Secret's key that holds the API key."""


class Header(Section):
    """One static header."""

    rules = (
        Rule(
            cel=f"!(self.name.lowerAscii() in {list(RESERVED_HEADERS)})",
            message="the gateway sets this header itself; keys belong into credentials",
            holds=lambda self: self.name.lower() not in RESERVED_HEADERS,
            field="name",
        ),
    )

    name: HeaderName
    """The header's name; case does not matter."""
    value: HeaderValue
    """The header's value. It is not secret: it stands in the configuration in clear."""


class OpenAI(Section):
    """Settings of OpenAI's own API."""

    organization: Word | None = None
    """Sent as OpenAI-Organization."""
    project: Word | None = None
    """Sent as OpenAI-Project."""


class Azure(Section):
    """Settings of Azure OpenAI."""

    api_version: Word | None = Field(default=None)
    """The API version that is sent as api-version."""


class Vertex(Section):
    """Where Vertex AI runs the models."""

    project: Word
    """The Google Cloud project."""
    location: Word
    """The region, or global."""


class Google(Section):
    """Settings of Google's APIs."""

    vertex: Vertex | None = None
    """Use Vertex AI in place of the Gemini API."""


class Compatibility(Section):
    """How an OpenAI-compatible server differs from OpenAI's API."""

    unsupported_parameters: Annotated[tuple[ParameterName, ...], Field(strict=False, max_length=64), Unique()] = ()
    """Request parameters that the server refuses or ignores."""
    usage_in_stream: bool = True
    """Whether the server understands stream_options.include_usage."""
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] | None = None
    """The field that limits the answer's length; as the caller sent it when absent."""
    wire_shape: Word | None = None
    """The API's shape, by its name in an installed package, when it is not OpenAI's."""


class Pricing(Section):
    """Prices in US dollars per million tokens. "0" is free; an absent price is unknown, never zero."""

    input_per_million: Decimal | None = None
    """Input tokens that were not read from the provider's cache."""
    output_per_million: Decimal | None = None
    """Output tokens."""
    cached_input_per_million: Decimal | None = None
    """Input tokens read from the provider's cache."""
    cache_write_per_million: Decimal | None = None
    """Input tokens written to the provider's cache."""
    reasoning_per_million: Decimal | None = None
    """Reasoning tokens; priced as output when absent."""


class Model(Section):
    """One model that the provider offers."""

    name: ModelName
    """The name by which the provider knows the model."""
    display_name: Line | None = None
    """A name for people."""
    description: Paragraph | None = None
    """What the model is for."""
    pricing: Pricing | None = None
    """What the model costs."""
    context_window: int | None = Field(default=None, ge=1, le=100_000_000)
    """Tokens of input and output together."""
    max_output_tokens: int | None = Field(default=None, ge=1, le=100_000_000)
    """Tokens of one answer at most."""
    capabilities: Annotated[tuple[Capability, ...], Field(strict=False, max_length=7), Unique()] = ()
    """What the model can do; unknown when empty."""
    quality: int | None = Field(default=None, ge=0, le=100)
    """Your own rating, for the strategies that weigh quality."""


class Discovery(Section):
    """Asking the provider which models it offers. The gateways do it, since they have keys and network."""

    enabled: bool = False
    """Whether to ask."""
    interval_seconds: int = Field(default=300, ge=10, le=86_400)
    """Time between two questions."""


class Timeouts(Section):
    """How long to wait for the provider."""

    rules = (
        Rule(
            cel="self.firstByteSeconds <= self.totalSeconds",
            message="firstByteSeconds must not exceed totalSeconds (unless set, they are 60 and 600)",
            holds=lambda self: self.first_byte_seconds <= self.total_seconds,
            field="firstByteSeconds",
        ),
    )

    connect_seconds: int = Field(default=5, ge=1, le=300)
    """Until the connection stands, TLS included."""
    first_byte_seconds: int = Field(default=60, ge=1, le=3600)
    """From the request's last byte to the answer's head."""
    idle_seconds: int = Field(default=60, ge=1, le=3600)
    """Between two pieces of the answer."""
    total_seconds: int = Field(default=600, ge=1, le=86_400)
    """From the start to the answer's last byte."""


class Retry(Section):
    """Trying again when no other target can serve now."""

    rules = (
        Rule(
            cel="self.baseDelayMilliseconds <= self.maxDelayMilliseconds",
            message="baseDelayMilliseconds must not exceed maxDelayMilliseconds (unless set, they are 1000 and 10000)",
            holds=lambda self: self.base_delay_milliseconds <= self.max_delay_milliseconds,
            field="baseDelayMilliseconds",
        ),
    )

    max_retries: int = Field(default=2, ge=0, le=5)
    """Extra tries after the first."""
    base_delay_milliseconds: int = Field(default=1000, ge=1, le=60_000)
    """Delay before the first retry; it doubles with each further one."""
    max_delay_milliseconds: int = Field(default=10_000, ge=1, le=600_000)
    """The longest delay."""
    budget_percent: int = Field(default=20, ge=0, le=100)
    """Retries at most, as a share of all requests to this provider."""


class CircuitBreaker(Section):
    """Leaving a failing target alone for a while."""

    failure_threshold: int = Field(default=5, ge=1, le=10_000)
    """Failures within the window that open the breaker."""
    window_seconds: int = Field(default=60, ge=1, le=3600)
    """The window in which failures count."""
    open_seconds: int = Field(default=60, ge=1, le=3600)
    """How long the target is left alone."""
    half_open_requests: int = Field(default=1, ge=1, le=100)
    """Requests that may try the target after that."""
    slow_call_seconds: int | None = Field(default=None, ge=1, le=3600)
    """An answer whose first byte takes longer counts as a failure; no such rule when absent."""


class Queue(Section):
    """Waiting for a free place when a rate limit is reached."""

    max_depth: int = Field(default=100, ge=0, le=100_000)
    """Requests that may wait; 0 refuses at once."""
    max_wait_milliseconds: int = Field(default=5000, ge=0, le=600_000)
    """The longest wait."""


class RateLimit(Section):
    """How hard the provider may be used, all routes together. An absent limit is none."""

    requests_per_minute: int | None = Field(default=None, ge=1, le=10_000_000)
    """Requests a minute."""
    tokens_per_minute: int | None = Field(default=None, ge=1, le=1_000_000_000_000)
    """Tokens a minute, input and output."""
    max_concurrent: int | None = Field(default=None, ge=1, le=100_000)
    """Requests at the same time."""
    queue: Queue = Queue()
    """What happens to requests above a limit."""


class HealthCheck(Section):
    """Small requests that find out whether the provider answers."""

    rules = (
        Rule(
            cel="self.timeoutSeconds <= self.intervalSeconds",
            message="timeoutSeconds must not exceed intervalSeconds (unless set, they are 10 and 300)",
            holds=lambda self: self.timeout_seconds <= self.interval_seconds,
            field="timeoutSeconds",
        ),
    )

    enabled: bool = True
    """Whether to check."""
    interval_seconds: int = Field(default=300, ge=5, le=86_400)
    """Time between two checks."""
    timeout_seconds: int = Field(default=10, ge=1, le=300)
    """The longest wait for an answer."""
    failure_threshold: int = Field(default=3, ge=1, le=100)
    """Failed checks in a row that make the provider unhealthy."""
    success_threshold: int = Field(default=1, ge=1, le=100)
    """Good checks in a row that make it healthy again."""
    model: ModelName | None = None
    """The model to ask; the cheapest question that the vendor has when absent."""


class ImageFetch(Section):
    """Fetching images that requests name by URL, for providers that take only bytes."""

    enabled: bool = False
    """Whether the gateway fetches."""
    max_bytes: int = Field(default=5_242_880, ge=1024, le=52_428_800)
    """The largest image."""
    timeout_seconds: int = Field(default=10, ge=1, le=60)
    """The longest wait for one image."""


class Mock(Section):
    """How the built-in mock provider behaves."""

    seed: int = Field(default=0, ge=0, le=2_147_483_647)
    """The same seed and request give the same answer and the same faults."""
    latency_milliseconds: int = Field(default=0, ge=0, le=600_000)
    """Time to the first byte."""
    tokens_per_second: int | None = Field(default=None, ge=1, le=100_000)
    """Speed of streams; as fast as possible when absent."""
    error_percent: int = Field(default=0, ge=0, le=100)
    """Share of requests that fail."""
    error_status: int = Field(default=500, ge=400, le=599)
    """The HTTP status of those that fail."""
    cut_after_frames: int | None = Field(default=None, ge=1, le=100_000)
    """Cut streams after so many frames; never when absent."""


def _only_for(field: str, attribute: str, vendor: str) -> Rule:
    return Rule(
        cel=f"!has(self.{field}) || self.provider == '{vendor}'",
        message=f"{field} is only for provider {vendor}",
        holds=lambda self: self.provider == vendor or attribute not in self.model_fields_set,
        field=field,
    )


def _headers_are_unique(self: "ProviderPolicySpec") -> bool:
    return len({header.name.lower() for header in self.headers}) == len(self.headers)


class ProviderPolicySpec(Section):
    """How one provider is reached, what its models cost and can do, and how hard it may be used."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.baseURL) || !has(self.serviceRef)",
            message="set baseURL or serviceRef, not both",
            holds=lambda self: self.base_url is None or self.service_ref is None,
            field="serviceRef",
        ),
        Rule(
            cel=f"has(self.baseURL) || has(self.serviceRef) || !(self.provider in {list(WITHOUT_DEFAULT_URL)})",
            message="this provider has no address of its own: set baseURL or serviceRef",
            holds=lambda self: bool(self.base_url or self.service_ref) or self.provider not in WITHOUT_DEFAULT_URL,
            field="provider",
        ),
        _only_for("openai", "openai", "openai"),
        _only_for("azure", "azure", "azure"),
        _only_for("google", "google", "google"),
        _only_for("compatibility", "compatibility", "openai-compatible"),
        _only_for("mock", "mock", "mock"),
        Rule(
            cel="!has(self.headers) || "
            "self.headers.all(a, self.headers.exists_one(b, a.name.lowerAscii() == b.name.lowerAscii()))",
            message="each header may be set once; case does not matter",
            holds=_headers_are_unique,
            field="headers",
        ),
    )

    provider: Vendor
    """The vendor, or the kind of server, which decides the API's shape."""
    enabled: bool = True
    """Whether the provider may be used; false takes all its targets out."""
    base_url: BaseURL | None = Field(default=None, alias="baseURL")
    """What the vendor's official SDK takes as base URL; the vendor's own default when absent."""
    service_ref: ServiceRef | None = None
    """A Service in place of a base URL."""
    credentials: Credentials | None = None
    """The provider's API key; absent for local servers."""
    headers: Annotated[tuple[Header, ...], Field(strict=False, max_length=16), Unique("name")] = ()
    """Static headers of each request to the provider."""
    openai: OpenAI = OpenAI()
    """Settings of OpenAI's own API."""
    azure: Azure = Azure()
    """Settings of Azure OpenAI."""
    google: Google = Google()
    """Settings of Google's APIs."""
    compatibility: Compatibility = Compatibility()
    """How an OpenAI-compatible server differs from OpenAI's API."""
    parameter_policy: Literal["strict", "clamp", "drop"] = "strict"
    """What happens to parameters that the provider cannot take: refused by name, brought into range, or dropped."""
    models: Annotated[tuple[Model, ...], Field(strict=False, max_length=256), Unique("name")] = ()
    """The models that the provider offers. Empty, and without discovery: any name is accepted in targets."""
    discovery: Discovery = Discovery()
    """Asking the provider which models it offers."""
    timeouts: Timeouts = Timeouts()
    """How long to wait for the provider."""
    retry: Retry = Retry()
    """Trying again when no other target can serve now."""
    circuit_breaker: CircuitBreaker = CircuitBreaker()
    """Leaving a failing target alone for a while."""
    rate_limit: RateLimit = RateLimit()
    """How hard the provider may be used, all routes together."""
    health_check: HealthCheck = HealthCheck()
    """Small requests that find out whether the provider answers."""
    image_fetch: ImageFetch = ImageFetch()
    """Fetching images that requests name by URL."""
    mock: Mock = Mock()
    """How the built-in mock provider behaves."""


class ProviderPolicy(Resource):
    """One provider of models: how it is reached, what its models cost and can do, and how hard it may be used."""

    kind: Literal["ProviderPolicy"] = "ProviderPolicy"
    spec: ProviderPolicySpec
