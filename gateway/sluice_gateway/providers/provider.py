"""A provider, ready to be called: what its policy says, joined with facts about the vendor, its key and a way to reach
it.
"""

import dataclasses
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from sluice_config import snapshot
from sluice_config.resources.provider_policy import Model
from sluice_gateway import catalogue
from sluice_gateway.calls import Shape
from sluice_gateway.credentials import Credentials, Secret
from sluice_gateway.errors import CallerError
from sluice_gateway.providers.adapter import Facts, Native, Quirks, Wire
from sluice_gateway.providers.listing import WAYS, Listing, Listings
from sluice_gateway.providers.mock import MockUpstream
from sluice_gateway.providers.registry import GROUP, wire_named
from sluice_gateway.providers.vendors import VENDORS, Vendor
from sluice_gateway.upstream import Endpoint, Timeouts, Upstream

MAX_MESSAGE_LENGTH = 1000  # of a provider's words, passed on to callers and logs
_MOCK_URL = "http://mock.invalid/v1"  # never connected to: RFC 6761 keeps .invalid from resolving
_MOST_NAMES = 1024  # of models, kept in mind; callers can choose such names where a route says "*"


@dataclass(frozen=True, slots=True)
class Access:
    """What a client library needs to reach a provider. ``headers`` are those of the policy."""

    base_url: str
    key: Secret | None
    headers: tuple[tuple[str, str], ...] = field(repr=False)


class Traits(NamedTuple):
    """What is known of a model for choosing it. Prices are US dollars a token, None when unknown.

    ``complete``: the policy lists the capabilities, so what is not among them is lacking; the catalogue names those
    that could be looked up, and is silent about others.
    """

    input_price: float | None = None
    output_price: float | None = None
    context_window: int | None = None
    max_output_tokens: int | None = None
    capabilities: frozenset[str] = frozenset()
    complete: bool = False
    quality: int | None = None


class Provider:
    """One ProviderPolicy at run time. ``resource`` is ``namespace/name``. Holds a key inside its endpoints; nothing of
    it is shown by ``repr``.
    """

    __slots__ = (
        "_base",
        "_described",
        "_described_with",
        "_endpoints",
        "_facts",
        "_headers",
        "_host",
        "_key",
        "_policy",
        "_said_headers",
        "_secrets",
        "_site",
        "_traits",
        "breaker",
        "discovery",
        "health_check",
        "image_fetch",
        "label",
        "listing",
        "lists",
        "models",
        "native",
        "quirks",
        "rate_limit",
        "resource",
        "retry",
        "timeouts",
        "upstream",
        "vendor",
        "wire",
    )

    def __init__(
        self,
        policy: snapshot.Provider,
        vendor: Vendor,
        wire: Wire,
        upstream: Upstream,
        *,
        base_url: str,
        key: str | None,
        listing: Listing | None = None,
    ) -> None:
        self.label = policy.name
        self.resource = f"{policy.namespace}/{policy.name}"
        self.vendor = policy.vendor
        self.models = {model.name: model for model in policy.models}
        self.discovery = policy.discovery
        self.lists = "" if policy.google.vertex else WAYS.get(policy.vendor, "")
        self.listing = listing
        self.wire = wire
        self.native: dict[Shape, Native] = {
            shape: native for shape, native in wire.native.items() if shape in vendor.native
        }
        self.quirks = _quirks(policy, vendor)
        self.upstream = upstream
        self.image_fetch = policy.image_fetch
        self.retry = policy.retry
        self.breaker = policy.circuit_breaker
        self.rate_limit = policy.rate_limit
        self.health_check = policy.health_check
        timeouts = policy.timeouts
        self.timeouts = Timeouts(
            connect=timeouts.connect_seconds,
            first_byte=timeouts.first_byte_seconds,
            idle=timeouts.idle_seconds,
            total=timeouts.total_seconds,
        )
        self._policy = policy.parameter_policy
        self._key = key
        self._secrets = _writings(key) if key else ()
        self._base = base_url.rstrip("/")
        self._site = _site(policy)
        self._said_headers = _said_headers(policy)
        self._headers = _headers(self._said_headers, wire, key)
        self._endpoints: dict[tuple[str, str], Endpoint] = {}
        self._facts: dict[str, Facts] = {}
        self._described: dict[str, Model | None] = {}
        self._traits: dict[str, Traits] = {}
        self._described_with: object = None
        origin = self.endpoint(wire.chat, "any").origin
        self._host = _naming(origin.host, urlsplit(base_url).netloc)

    def endpoint(self, path: str, model: str) -> Endpoint:
        """Where a request goes: ``path`` is a template of the wire. Raises ValueError for what can't be in a URL, and
        CallerError for names that URLs take for steps in a path (RFC 3986, 5.2.4).
        """
        name = model if "{model}" in path else ""
        if name in (".", ".."):
            raise CallerError(f"{name!r} is not the name of a model", param="model")
        found = self._endpoints.get((path, name))
        if found is None:
            if len(self._endpoints) >= _MOST_NAMES:
                self._endpoints.clear()
            url = self._base + path.format(model=quote(name, safe="@:"), **self._site)
            found = self._endpoints[path, name] = Endpoint("POST", url, self._headers)
        return found

    def reading(self, path: str, *, root: bool) -> Endpoint:
        """Where to read something about the provider: below its base URL, or at the ``root`` of its server."""
        base = self._base.removesuffix("/v1") if root else self._base
        return Endpoint("GET", base + path, [one for one in self._headers if one[0] != "content-type"])

    def access(self) -> Access:
        """For the vendor's own client."""
        return Access(self._base, Secret(self._key) if self._key else None, tuple(self._said_headers.items()))

    def names(self, model: str) -> bool:
        """Whether a model is offered under exactly this name, which is then nobody's invention."""
        return model in self.models or (self.listing is not None and model in self.listing.models)

    def offers(self, model: str) -> bool:
        """Whether the policy declares a model, or the provider has listed it."""
        return model in self.models or (self.listing is not None and self.listing.find(model) is not None)

    def offered(self) -> set[str]:
        """All names of models that the policy declares or the provider has listed."""
        return {*self.models, *(self.listing.models if self.listing else ())}

    def facts(self, model: str) -> Facts:
        """What is known of one of the provider's models."""
        found = self._facts.get(model)
        if found is None:
            if len(self._facts) >= _MOST_NAMES:
                self._facts.clear()
            found = self._facts[model] = self._read_facts(model)
        return found

    def described(self, model: str) -> Model | None:
        """What the policy says of a model and, where it says nothing, what the provider lists, then the catalogue."""
        listing = self.listing.models if self.listing else None
        if self._described_with is not listing or len(self._described) >= _MOST_NAMES:
            self._described, self._traits, self._described_with = {}, {}, listing
        if model not in self._described:
            listed = self.listing.find(model) if self.listing else None
            self._described[model] = catalogue.completed(
                self.models.get(model), listed.model if listed else None, catalogue.known(self.vendor, model)
            )
        return self._described[model]

    def traits(self, model: str) -> Traits:
        """What is known of a model for choosing it: of what ``described`` says, the part that is weighed."""
        listing = self.listing.models if self.listing else None
        if self._described_with is listing and (found := self._traits.get(model)) is not None:
            return found
        said = self.described(model)
        declared = self.models.get(model)
        found = self._traits[model] = _traits(said, bool(declared and declared.capabilities)) if said else Traits()
        return found

    def _read_facts(self, model: str) -> Facts:
        said = catalogue.completed(self.models.get(model), catalogue.known(self.vendor, model))
        return Facts(
            model=model,
            vendor=self.vendor,
            max_output_tokens=said.max_output_tokens if said else None,
            capabilities=frozenset(said.capabilities if said else ()),
            policy=self._policy,
            quirks=self.quirks,
        )

    def redact(self, text: str) -> str:
        """``text`` without this provider's key and host, which it may quote, and then cut: half a key is too much."""
        for written in self._secrets:
            text = text.replace(written, "***")
        return self._host.sub("***", text)[:MAX_MESSAGE_LENGTH]


def _traits(said: Model, complete: bool) -> Traits:
    pricing = said.pricing
    return Traits(
        input_price=_a_token(pricing.input_per_million) if pricing else None,
        output_price=_a_token(pricing.output_per_million) if pricing else None,
        context_window=said.context_window,
        max_output_tokens=said.max_output_tokens,
        capabilities=frozenset(said.capabilities),
        complete=complete,
        quality=said.quality,
    )


def _a_token(per_million: str | None) -> float | None:
    return None if per_million is None else float(per_million) / 1_000_000


def _writings(key: str) -> tuple[str, ...]:
    """A key as it is, and as a text may quote it from a URL or from JSON; the longest first."""
    slashed = key.replace("/", "\\/")
    return tuple(sorted({key, quote(key, safe=""), quote(key), slashed}, key=len, reverse=True))


def _naming(host: str, netloc: str) -> re.Pattern[str]:
    """Where a text names a host. A single label, such as a Service's name, may be a word of the text's own: it is taken
    for the host only in a URL, or with its port.
    """
    named = re.escape(host)
    if "." not in host:
        named = rf"(?<=//){named}(?![\w.-])"
    return re.compile(named if netloc == host else f"{re.escape(netloc)}|{named}", re.IGNORECASE)


def _quirks(policy: snapshot.Provider, vendor: Vendor) -> Quirks:
    """The vendor's, and what the policy says of a server of its own."""
    said, known = policy.compatibility, vendor.quirks
    renamed = dict(known.renamed)
    if said.max_tokens_field == "max_tokens":
        renamed["max_completion_tokens"] = "max_tokens"
    elif said.max_tokens_field == "max_completion_tokens":
        renamed["max_tokens"] = "max_completion_tokens"
    return dataclasses.replace(
        known,
        unsupported=known.unsupported | frozenset(said.unsupported_parameters),
        renamed=renamed,
        usage_in_stream=known.usage_in_stream and said.usage_in_stream,
    )


def _site(policy: snapshot.Provider) -> dict[str, str]:
    """What paths may name beside the model."""
    vertex = policy.google.vertex
    return {
        "api_version": quote(policy.azure.api_version or "", safe=""),
        "project": quote(vertex.project if vertex else "", safe=":"),
        "location": quote(vertex.location if vertex else "", safe=""),
    }


def _said_headers(policy: snapshot.Provider) -> dict[str, str]:
    """The headers that the policy asks for."""
    headers = {name.lower(): value for name, value in policy.headers}
    if policy.openai.organization:
        headers["openai-organization"] = policy.openai.organization
    if policy.openai.project:
        headers["openai-project"] = policy.openai.project
    return headers


def _headers(said: dict[str, str], wire: Wire, key: str | None) -> list[tuple[str, str]]:
    """The headers of every request: ours, then the policy's, then those that no policy may change."""
    headers = {"user-agent": "sluice", **dict(wire.headers), **said}
    headers["content-type"] = "application/json"
    if key:
        headers[wire.key_header] = f"{wire.key_prefix}{key}"
    return list(headers.items())


def make_provider(
    policy: snapshot.Provider,
    credentials: Credentials,
    http: Upstream,
    mock: Callable[..., Upstream] = MockUpstream,
    listings: Listings | None = None,
) -> Provider | None:
    """The provider of ``policy``; None when this gateway can't speak to it (compile says so in its findings).

    ``listings`` keep what providers have said that they offer; without them none is asked. Raises ValueError for what
    only a gateway can know to be wrong: a URL that can't be called, a wire shape that no installed package brings.
    """
    vendor = VENDORS.get(policy.vendor)
    if vendor is None or not policy.enabled:
        return None
    name = vendor.wire_of(policy)
    wire = wire_named(name)
    if wire is None:
        raise ValueError(f"no installed package brings a wire shape {name!r} (entry points of the group {GROUP})")
    secret = credentials.values.get(policy.credentials) if policy.credentials else None
    if policy.credentials and secret is None:
        return None
    base_url = policy.base_url or vendor.base_url_of(policy)
    if policy.vendor == "mock":
        http, base_url, secret = mock(policy.mock), _MOCK_URL, None
    if base_url is None:
        return None
    key = secret.reveal() if secret else None
    listing = None
    if listings is not None and policy.discovery.enabled:
        listing = listings.of(policy.namespace, policy.name, policy.vendor, base_url, key, policy.headers)
    return Provider(policy, vendor, wire, http, base_url=base_url, key=key, listing=listing)
