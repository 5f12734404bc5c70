"""Resources as a user writes them, and what a source would give for them."""

import json
from collections.abc import Mapping
from typing import Any

import yaml

from sluice_config.codec import digest
from sluice_config.compile import Gateway, Resources, compile_resources
from sluice_config.resources import CachePolicy, ModelRoute, ProviderPolicy
from sluice_config.resources.parse import parse_resource
from sluice_config.snapshot import CredentialRef
from sluice_gateway.credentials import Credentials, Secret
from sluice_gateway.sources.source import Loaded, LocatedFinding


def loaded(text: str, *, keys: Mapping[str, str] | None = None, callers: Mapping[str, str] | None = None) -> Loaded:
    """What a source would give for these documents. ``keys``: Secret name -> value of its key ``api-key``."""
    resources = [parse_resource(document) for document in yaml.safe_load_all(text) if document]
    values = {
        CredentialRef(namespace="default", name=name, key="api-key"): Secret(value)
        for name, value in (keys or {}).items()
    }
    compiled = compile_resources(
        Gateway(local=True),
        Resources(
            routes=[item for item in resources if isinstance(item, ModelRoute)],
            providers=[item for item in resources if isinstance(item, ProviderPolicy)],
            caches=[item for item in resources if isinstance(item, CachePolicy)],
            secrets={("default", name): frozenset({"api-key"}) for name in keys or {}},
        ),
    )
    return Loaded(
        snapshot=compiled.snapshot,
        digest=digest(compiled.snapshot),
        credentials=Credentials.of(values),
        callers={name: Secret(value) for name, value in (callers or {}).items()},
        findings=tuple(LocatedFinding(finding, "test", 0) for finding in compiled.findings),
        origin="test",
    )


def provider(name: str, url: str | None = None, **spec: Any) -> str:
    """A ProviderPolicy: openai-compatible at ``url``, or the mock without one.

    Unless told otherwise it is asked for nothing but what callers ask, and once: a script counts its requests.
    """
    kind = {"provider": "openai-compatible", "baseURL": f"{url}/v1"} if url else {"provider": "mock"}
    alone = {"retry": {"maxRetries": 0}, "healthCheck": {"enabled": False}}
    return _document("ProviderPolicy", name, kind | alone | spec)


def route(name: str, *targets: str, models: tuple[str, ...] = ("chat",), **spec: Any) -> str:
    """A ModelRoute; each target is ``provider`` or ``provider/model``."""
    listed = [dict(zip(("provider", "model"), target.split("/", 1), strict=False)) for target in targets]
    return _document("ModelRoute", name, {"models": list(models), "targets": listed} | spec)


def _document(kind: str, name: str, spec: dict[str, Any]) -> str:
    document = {"apiVersion": "sluice.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}
    return f"---\n{json.dumps(document)}\n"
