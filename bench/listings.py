"""A server that lists one model to each of the vendors' own clients, and the policies that have them ask it."""

import contextlib
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

VENDORS = {"openai": "/openai/v1", "anthropic": "/anthropic", "google": "/google"}
_ANSWERS = {
    "openai": {"object": "list", "data": [{"id": "m", "object": "model", "created": 0, "owned_by": "bench"}]},
    "anthropic": {
        "data": [{"type": "model", "id": "m", "display_name": "M", "created_at": "2026-01-01T00:00:00Z"}],
        "has_more": False,
    },
    "google": {"models": [{"name": "models/m"}]},
}
_POLICY = """---
apiVersion: sluice.dev/v1alpha1
kind: ProviderPolicy
metadata: {{name: {vendor}}}
spec:
  provider: {vendor}
  baseURL: http://127.0.0.1:{port}{path}
  credentials: {{secretRef: {{name: provider, key: api-key}}}}
  discovery: {{enabled: true}}
"""
_ROUTE = """---
apiVersion: sluice.dev/v1alpha1
kind: ModelRoute
metadata: {name: discovered}
spec: {models: [m]}
"""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps(_ANSWERS.get(self.path.split("/")[1], {})).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def listings() -> Iterator[int]:
    """Serve; gives the port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        serving = Thread(target=server.serve_forever, args=(0.05,))
        serving.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            serving.join()


def write(folder: Path, port: int) -> None:
    """Add the policies, and a route without targets that uses them all."""
    policies = [_POLICY.format(vendor=vendor, port=port, path=path) for vendor, path in VENDORS.items()]
    (folder / "discovered.yaml").write_text("".join([*policies, _ROUTE]))
