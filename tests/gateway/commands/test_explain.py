"""``sluice explain``: what a request would meet at the gateway that would serve it."""

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

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


def shown(folder: Path, document: dict[str, Any] | str, **options: Any) -> tuple[int, list[str]]:
    request = folder / "request.json"
    request.write_text(document if isinstance(document, str) else json.dumps(document))
    out = io.StringIO()
    wanted: dict[str, Any] = {"model": None, "request": request, "output": "text", "environ": {}} | options
    return explain.run([folder / "apps.yaml"], out=out, **wanted), out.getvalue().splitlines()


def resources(folder: Path, **spec: Any) -> None:
    models = [
        {"name": "a", "pricing": {"inputPerMillion": "1", "outputPerMillion": "4"}, "capabilities": ["chat", "tools"]},
        {"name": "b", "pricing": {"inputPerMillion": "2", "outputPerMillion": "1"}},
        {"name": "c", "capabilities": ["chat"]},
    ]
    text = provider("p", "http://127.0.0.1:9", models=models) + route("chat", "p/a", "p/b", "p/c", **spec)
    (folder / "apps.yaml").write_text(text + route("rest", "p/a", models=("*",)))


TOOLS = [{"type": "function", "function": {"name": "f"}}]


def test_each_target_is_shown_with_its_score_and_reason(tmp_path: Path) -> None:
    resources(tmp_path, strategy="smart")
    document = {"model": "chat", "messages": [{"role": "user", "content": "Hello!"}], "tools": TOOLS, "stream": True}
    code, lines = shown(tmp_path, document)
    config = lines.pop()
    assert config.startswith("  config   sha256:")
    assert (code, lines) == (
        0,
        [
            "chat: from p/b (the exact name)",
            "  route    default/chat, pattern chat, strategy smart",
            "  not      default/rest, pattern *: fits less closely",
            "  needs    tools, stream; about 37 tokens, and 512 of answers",
            "  note     class tools: it offers tools",
            "  1. try   0.790 p/b: cost 1.00, latency 1.00, capability 0.46",
            "  2. try   0.723 p/a: cost 0.28, latency 1.00, capability 0.77",
            "  3. skip  p/c: lacks tools",
            f"  basis    {explain.BASIS}",
        ],
    )


def test_a_strategy_that_is_asked_for(tmp_path: Path) -> None:
    resources(tmp_path, allowedStrategies=["cost"])
    _, lines = shown(tmp_path, {"model": "chat"}, strategy="cost")
    assert lines[0] == "chat: from p/b (the exact name)"
    assert "  1. try   1.000 p/b: about $0.000522" in lines
    assert lines[5].startswith("  2. try   0.258 p/a")
    assert lines[6] == "  3. try   0.000 p/c: its price is unknown"
    code, lines = shown(tmp_path, {"model": "chat"}, strategy="latency")
    assert code == 1
    assert lines[0].startswith("chat: 400 strategy_not_allowed (")
    assert lines[1] == "  route    default/chat, pattern chat"


def test_what_no_target_can_do_is_explained(tmp_path: Path) -> None:
    resources(tmp_path)
    (tmp_path / "apps.yaml").write_text(
        provider("mock", models=[{"name": "a", "capabilities": ["chat"]}]) + route("chat", "mock/a")
    )
    code, lines = shown(tmp_path, {"model": "chat", "tools": TOOLS})
    assert (code, lines[0]) == (
        1,
        "chat: 400 unsupported_parameter (no target of route default/chat can do what is asked: mock/a lacks tools)",
    )


def test_chance_always_comes_out_the_same_and_conversations_stay(tmp_path: Path) -> None:
    resources(tmp_path, strategy="weighted")
    assert shown(tmp_path, {"model": "chat"}) == shown(tmp_path, {"model": "chat"})
    resources(tmp_path, strategy="round-robin", stickiness="conversation")
    first = shown(tmp_path, {"model": "chat"})
    assert first == shown(tmp_path, {"model": "chat"})
    assert any("the conversation stays with" in line for line in first[1])


def test_requests_may_come_by_name_or_as_json_but_not_as_anything(tmp_path: Path) -> None:
    resources(tmp_path)
    by_name = explained(tmp_path / "apps.yaml", "chat")
    _, by_request = shown(tmp_path, {"model": "chat"}, output="json")
    assert json.loads("\n".join(by_request)) == by_name[1]
    assert shown(tmp_path, {"model": "chat"}, model="other")[0] == 2
    assert ".json: 400 invalid_request (" in shown(tmp_path, {}, model=None)[1][0]
    assert shown(tmp_path, {"model": "chat"}, request=tmp_path / "nowhere.json")[0] == 2
    assert shown(tmp_path, {"model": "chat"}, request=None)[0] == 2


def test_findings_of_the_route_stand_with_it_and_errors_end_it(tmp_path: Path) -> None:
    (tmp_path / "apps.yaml").write_text(provider("mock") + route("chat", "mock/a", "gone/b"))
    _, lines = shown(tmp_path, {"model": "chat"})
    assert any(line.startswith("  finding  ") and "gone" in line for line in lines)
    (tmp_path / "apps.yaml").write_text("kind: [")
    assert shown(tmp_path, {"model": "chat"}) == (1, [])


PAGE = Path(__file__).parents[3] / "docs" / "routing.md"


@pytest.mark.parametrize(("place", "strategy"), [(0, ""), (1, "cost")])
def test_the_page_shows_what_the_command_says(place: int, strategy: str, tmp_path: Path) -> None:
    [resources], [request] = (
        re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(), re.DOTALL) for kind in ("yaml", "json")
    )
    (tmp_path / "apps.yaml").write_text(resources)
    code, lines = shown(tmp_path, request, strategy=strategy)
    wanted = re.findall(r"```text\n(.*?)```", PAGE.read_text(), re.DOTALL)[place]
    assert (code, "\n".join(lines[:-1]) + "\n") == (0, wanted)
