"""Sluice as a user starts it: ``sluice up`` on a folder of YAML, callers' keys asked for, JSON logs on."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from bench.wire import KEY, MODEL

SECRETS = f"""apiVersion: v1
kind: Secret
metadata: {{name: provider}}
stringData: {{api-key: bench-key-of-the-provider}}
---
apiVersion: v1
kind: Secret
metadata: {{name: sluice-gateway-keys}}
stringData: {{bench: {KEY}}}
"""
_PROVIDER = """apiVersion: sluice.dev/v1alpha1
kind: ProviderPolicy
metadata: {{name: instant}}
spec:
  provider: {vendor}
  baseURL: http://127.0.0.1:{upstream_port}{base_path}
  credentials: {{secretRef: {{name: provider, key: api-key}}}}
  models:
    - name: gpt-4o-mini
      pricing: {{inputPerMillion: "0.15", outputPerMillion: "0.60"}}
    - name: gpt-4o
      pricing: {{inputPerMillion: "2.50", outputPerMillion: "10"}}
"""
_ROUTE = """apiVersion: sluice.dev/v1alpha1
kind: ModelRoute
metadata: {{name: {name}}}
spec:
  models: [{name}]
  targets:
    - {{provider: instant, model: {target}}}
    - {{provider: instant, model: gpt-4o}}
"""


def route(name: str = MODEL, target: str = "gpt-4o-mini") -> str:
    """A ModelRoute for the name, with two targets."""
    return _ROUTE.format(name=name, target=target)


def write_configuration(
    folder: Path, upstream_port: int, vendor: str = "openai-compatible", base_path: str = "/v1"
) -> Path:
    """A provider, its key, a caller's key and one route, in files of their own."""
    folder.mkdir(parents=True)
    (folder / "secrets.yaml").write_text(SECRETS)
    (folder / "provider.yaml").write_text(
        _PROVIDER.format(upstream_port=upstream_port, vendor=vendor, base_path=base_path)
    )
    (folder / "route.yaml").write_text(route())
    return folder


def command(folder: Path, port: int) -> list[str]:
    """``sluice up`` of the environment that runs the benchmarks."""
    return [str(Path(sys.executable).parent / "sluice"), "up", "-f", str(folder), "--listen", f"127.0.0.1:{port}"]


def environ(home: Path) -> Mapping[str, str]:
    """Nothing of the person's own: no keys, no forward proxy, no state of an earlier run."""
    home.mkdir(exist_ok=True)
    state = {"HOME": str(home), "XDG_STATE_HOME": str(home), "XDG_CACHE_HOME": str(home)}
    return {"PATH": os.environ["PATH"], "SLUICE_AUTH": "keys", **state}
