"""A provider, ready to be called: what its policy says, joined with facts about the vendor, its key and a way to reach
it.
"""

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from sluice_config import snapshot
from sluice_gateway.credentials import Credentials
from sluice_gateway.providers.adapter import Adapter
from sluice_gateway.providers.mock import MockUpstream
from sluice_gateway.providers.openai import OpenAIAdapter
from sluice_gateway.providers.vendors import VENDORS
from sluice_gateway.upstream import Endpoint, Timeouts, Upstream

# One adapter a wire shape. The mock speaks OpenAI's.
ADAPTERS: dict[str, Adapter] = {"openai": OpenAIAdapter(), "mock": OpenAIAdapter()}

MAX_MESSAGE_LENGTH = 1000  # of a provider's words, passed on to callers and logs
_MOCK_URL = "http://mock.invalid/v1"  # never connected to: RFC 6761 keeps .invalid from resolving


class Provider:
    """One ProviderPolicy at run time. Holds a key inside its endpoint; nothing of it is shown by ``repr``."""

    __slots__ = ("_host", "_key", "adapter", "chat", "label", "models", "timeouts", "upstream", "vendor")

    def __init__(
        self, policy: snapshot.Provider, adapter: Adapter, upstream: Upstream, base_url: str, key: str | None
    ) -> None:
        self.label = policy.name
        self.vendor = policy.vendor
        self.models = {model.name: model for model in policy.models}
        self.adapter = adapter
        self.upstream = upstream
        self.chat = Endpoint("POST", f"{base_url.rstrip('/')}/chat/completions", _headers(policy, key))
        timeouts = policy.timeouts
        self.timeouts = Timeouts(
            connect=timeouts.connect_seconds,
            first_byte=timeouts.first_byte_seconds,
            idle=timeouts.idle_seconds,
            total=timeouts.total_seconds,
        )
        self._key = key
        self._host = _naming(self.chat.origin.host, urlsplit(base_url).netloc)

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


def _headers(policy: snapshot.Provider, key: str | None) -> list[tuple[str, str]]:
    """The headers of every request: ours, then the policy's, then those that no policy may change."""
    headers = {"user-agent": "sluice"}
    headers |= {name.lower(): value for name, value in policy.headers}
    if policy.openai.organization:
        headers["openai-organization"] = policy.openai.organization
    if policy.openai.project:
        headers["openai-project"] = policy.openai.project
    headers["content-type"] = "application/json"
    if key:
        headers["authorization"] = f"Bearer {key}"
    return list(headers.items())


def make_provider(
    policy: snapshot.Provider, credentials: Credentials, http: Upstream, mock: Callable[..., Upstream] = MockUpstream
) -> Provider | None:
    """The provider of ``policy``; None when this gateway can't speak to it (compile says so in its findings)."""
    vendor = VENDORS.get(policy.vendor)
    adapter = ADAPTERS.get(vendor.wire) if vendor else None
    if vendor is None or adapter is None or not policy.enabled:
        return None
    secret = credentials.values.get(policy.credentials) if policy.credentials else None
    if policy.credentials and secret is None:
        return None
    if vendor.wire == "mock":
        return Provider(policy, adapter, mock(policy.mock), _MOCK_URL, None)
    base_url = policy.base_url or vendor.base_url
    if base_url is None:
        return None
    return Provider(policy, adapter, http, base_url, secret.reveal() if secret else None)
