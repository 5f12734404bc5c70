"""``sluice explain``: what a request would meet at the gateway that would serve it."""

import io
import json
from pathlib import Path
from typing import Any

from sluice_gateway.commands import explain
from tests.support.loading import provider, route


def explained(folder: Path, model: str, **environ: str) -> tuple[int, dict[str, Any]]:
    out = io.StringIO()
    code = explain.run([folder], model=model, request=None, output="json", environ=environ, out=out)
    return code, json.loads(out.getvalue())


def test_the_gateway_is_the_one_that_would_serve(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(provider("mock") + route("chat", "mock", gatewayRef={"name": "other"}))
    assert explained(tmp_path, "chat")[0] == 1
    code, document = explained(tmp_path, "chat", SLUICE_GATEWAY="other")
    assert (code, document["route"]) == (0, "default/chat")
