"""A provider, ready to be called: what its policy says, joined with facts about the vendor, its key and a way to reach
it.
"""

import dataclasses
import re
from collections.abc import Callable
from urllib.parse import quote, urlsplit

from sluice_config import snapshot
from sluice_config.resources.provider_policy import Model
from sluice_gateway import catalogue
from sluice_gateway.calls import Shape
from sluice_gateway.credentials import Credentials
from sluice_gateway.providers.adapter import Facts, Native, Quirks, Wire
from sluice_gateway.providers.mock import MockUpstream
from sluice_gateway.providers.registry import wire_named
from sluice_gateway.providers.vendors import VENDORS, Vendor
from sluice_gateway.upstream import Endpoint, Timeouts, Upstream

MAX_MESSAGE_LENGTH = 1000  # of a provider's words, passed on to callers and logs
_MOCK_URL = "http://mock.invalid/v1"  # never connected to: RFC 6761 keeps .invalid from resolving
_MOST_NAMES = 1024  # of models, kept in mind; callers can choose such names where a route says "*"


class Provider:
    """One ProviderPolicy at run time. ``resource`` is ``namespace/name``. Holds a key inside its endpoints; nothing of
    it is shown by ``repr``.
    """

    __slots__ = (
        "_base",
        "_endpoints",
        "_facts",
        "_headers",
        "_host",
        "_key",
        "_policy",
        "_site",
        "image_fetch",
        "label",
        "models",
        "native",
        "quirks",
        "resource",
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
    ) -> None:
        self.label = policy.name
        self.resource = f"{policy.namespace}/{policy.name}"
        self.vendor = policy.vendor
        self.models = {model.name: model for model in policy.models}
        self.wire = wire
        self.native: dict[Shape, Native] = {
            shape: native for shape, native in wire.native.items() if shape in vendor.native
        }
        self.quirks = _quirks(policy, vendor)
        self.upstream = upstream
        self.image_fetch = policy.image_fetch
        timeouts = policy.timeouts
        self.timeouts = Timeouts(
            connect=timeouts.connect_seconds,
            first_byte=timeouts.first_byte_seconds,
            idle=timeouts.idle_seconds,
            total=timeouts.total_seconds,
        )
        self._policy = policy.parameter_policy
        self._key = key
        self._base = base_url.rstrip("/")
        self._site = _site(policy)
        self._headers = _headers(policy, wire, key)
        self._endpoints: dict[tuple[str, str], Endpoint] = {}
        self._facts: dict[str, Facts] = {}
        origin = self.endpoint(wire.chat, "any").origin
        self._host = _naming(origin.host, urlsplit(base_url).netloc)

    def endpoint(self, path: str, model: str) -> Endpoint:
        """Where a request goes: ``path`` is a template of the wire. Raises ValueError for what can't be in a URL."""
        name = model if "{model}" in path else ""
        found = self._endpoints.get((path, name))
        if found is None:
            if len(self._endpoints) >= _MOST_NAMES:
                self._endpoints.clear()
            url = self._base + path.format(model=quote(name, safe="@:"), **self._site)
            found = self._endpoints[path, name] = Endpoint("POST", url, self._headers)
        return found

    def facts(self, model: str) -> Facts:
        """What is known of one of the provider's models."""
        found = self._facts.get(model)
        if found is None:
            if len(self._facts) >= _MOST_NAMES:
                self._facts.clear()
            found = self._facts[model] = self._read_facts(model)
        return found

    def described(self, model: str) -> Model | None:
        """What the policy says of a model and, where it says nothing, the catalogue."""
        return catalogue.completed(self.models.get(model), catalogue.known(self.vendor, model))

    def _read_facts(self, model: str) -> Facts:
        said = self.described(model)
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
        if self._key:
            text = text.replace(self._key, "***")
        return self._host.sub("***", text)[:MAX_MESSAGE_LENGTH]


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


def _headers(policy: snapshot.Provider, wire: Wire, key: str | None) -> list[tuple[str, str]]:
    """The headers of every request: ours, then the policy's, then those that no policy may change."""
    headers = {"user-agent": "sluice", **dict(wire.headers)}
    headers |= {name.lower(): value for name, value in policy.headers}
    if policy.openai.organization:
        headers["openai-organization"] = policy.openai.organization
    if policy.openai.project:
        headers["openai-project"] = policy.openai.project
    headers["content-type"] = "application/json"
    if key:
        headers[wire.key_header] = f"{wire.key_prefix}{key}"
    return list(headers.items())


def make_provider(
    policy: snapshot.Provider, credentials: Credentials, http: Upstream, mock: Callable[..., Upstream] = MockUpstream
) -> Provider | None:
    """The provider of ``policy``; None when this gateway can't speak to it (compile says so in its findings)."""
    vendor = VENDORS.get(policy.vendor)
    wire = wire_named(vendor.wire_of(policy)) if vendor else None
    if vendor is None or wire is None or not policy.enabled:
        return None
    secret = credentials.values.get(policy.credentials) if policy.credentials else None
    if policy.credentials and secret is None:
        return None
    if policy.vendor == "mock":
        return Provider(policy, vendor, wire, mock(policy.mock), base_url=_MOCK_URL, key=None)
    base_url = policy.base_url or vendor.base_url_of(policy)
    if base_url is None:
        return None
    return Provider(policy, vendor, wire, http, base_url=base_url, key=secret.reveal() if secret else None)
