"""``sluice check``: findings as a compiler prints them, and as machines read them."""

import io
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sluice_gateway.commands.check import run
from tests.support.canary import CANARY
from tests.support.command import SLUICE
from tests.support.gateway import provider, route

SAMPLES = Path(__file__).parents[3] / "manifests" / "samples"


def check(*paths: Path, output: str = "text", environ: Mapping[str, str] | None = None) -> tuple[int, str]:
    stdout = io.StringIO()
    return run(paths, output, environ or {}, stdout), stdout.getvalue()


def check_json(*paths: Path, environ: Mapping[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    code, printed = check(*paths, output="json", environ=environ)
    described: dict[str, Any] = json.loads(printed)
    return code, described


def test_findings_are_lines_then_a_summary(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(provider("mock") + route("chat", "mock", "missing"))
    (tmp_path / "b.yaml").write_text(
        provider("openai", provider="openai", credentials={"secretRef": {"name": "x", "key": "y"}})
    )
    code, printed = check(tmp_path)
    lines = printed.splitlines()
    assert code == 1
    assert lines[0].startswith(f"{tmp_path}/a.yaml:4: error: ModelRoute default/chat: spec.targets[1].provider: ")
    assert lines[0].endswith("[ProviderNotFound]")
    assert lines[1].startswith(f"{tmp_path}/b.yaml:2: warning: ProviderPolicy default/openai: ")
    assert lines[2:] == ["1 error, 1 warning, 3 resources"]


def test_warnings_are_no_errors(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        provider("o", provider="openai", credentials={"secretRef": {"name": "x", "key": "y"}})
    )
    assert check(tmp_path)[0] == 0


def test_a_broken_file_does_not_hide_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("kind: [")
    (tmp_path / "b.yaml").write_text(route("one", strategy="best") + route("two", "missing"))
    (tmp_path / "c.yaml").write_bytes(b"\xff")
    code, described = check_json(tmp_path, tmp_path / "missing")
    assert code == 1
    assert [(Path(one["file"]).name, one["line"], one["field"], one["reason"]) for one in described["findings"]] == [
        ("a.yaml", 1, None, "Invalid"),
        ("b.yaml", 2, "spec.strategy", "Invalid"),
        ("b.yaml", 4, "spec.targets[0].provider", "ProviderNotFound"),
        ("c.yaml", 1, None, "Invalid"),
        ("missing", None, None, "Invalid"),
    ]
    assert described["summary"] == {"errors": 5, "warnings": 0, "infos": 0, "resources": 1}
    assert described["digest"] is None


def test_the_shape_for_machines(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("\n" + provider("mock") + route("chat", "missing"))
    _, described = check_json(tmp_path)
    message = described["findings"][0].pop("message")
    assert "missing" in message
    assert described["findings"] == [
        {
            "file": f"{tmp_path}/a.yaml",
            "line": 5,
            "level": "error",
            "kind": "ModelRoute",
            "namespace": "default",
            "name": "chat",
            "field": "spec.targets[0].provider",
            "reason": "ProviderNotFound",
        }
    ]
    assert described["digest"].startswith("sha256:"), "the rest would be served"


def test_a_missing_field_is_at_its_parent(tmp_path: Path) -> None:
    text = "apiVersion: sluice.dev/v1alpha1\nkind: ModelRoute\nmetadata: {name: x}\nspec:\n  targets:\n  - model: m\n"
    (tmp_path / "a.yaml").write_text(text)
    _, described = check_json(tmp_path)
    assert {(one["field"], one["line"]) for one in described["findings"]} == {
        ("spec.models", 4),
        ("spec.targets[0].provider", 6),
    }


def test_the_gateway_is_the_one_that_would_serve(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(provider("mock") + route("chat", "mock", gatewayRef={"name": "other"}))
    _, ours = check_json(tmp_path)
    assert [(one["level"], one["field"]) for one in ours["findings"]] == [("info", "spec.gatewayRef")]
    assert check_json(tmp_path, environ={"SLUICE_GATEWAY": "other"})[1]["findings"] == []


def test_no_key_is_printed(tmp_path: Path) -> None:
    secret = f"---\napiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData: {{a: {CANARY}, b: 1}}\n"
    text = provider("openai", provider="openai", credentials=CANARY) + secret + f"---\n{CANARY}: [\n"
    (tmp_path / "a.yaml").write_text(text)
    for output in ("text", "json"):
        code, printed = check(tmp_path, output=output, environ={"OPENAI_API_KEY": CANARY})
        assert code == 1
        assert CANARY not in printed


@pytest.mark.parametrize("name", ["", "mock.yaml", "openai.yaml"])
def test_samples_have_no_errors(name: str) -> None:
    code, described = check_json(SAMPLES / name)
    assert code == 0
    assert described["summary"]["errors"] == 0


def test_samples_have_no_findings_with_a_key() -> None:
    assert check_json(SAMPLES, environ={"OPENAI_API_KEY": "sk-1"})[1]["findings"] == []


def test_without_a_key_the_samples_say_how_to_give_one() -> None:
    _, described = check_json(SAMPLES)
    assert {one["level"] for one in described["findings"]} == {"warning"}
    assert any("set OPENAI_API_KEY" in one["message"] for one in described["findings"])


def test_samples_and_kustomization_name_the_same_files() -> None:
    listed = [
        line.removeprefix("  - ")
        for line in (SAMPLES / "kustomization.yaml").read_text().splitlines()
        if "  - " in line
    ]
    assert sorted(listed) == sorted(path.name for path in SAMPLES.glob("*.yaml") if path.name != "kustomization.yaml")


def test_the_command_itself(tmp_path: Path) -> None:
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "chat.yaml").write_text(route("chat", "missing"))
    ended = subprocess.run(
        [SLUICE, "check", "-f", "manifests"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == 1, ended.stderr
    assert ended.stdout.startswith("manifests/chat.yaml:2: error: ModelRoute default/chat: spec.targets[0].provider: ")
    assert ended.stdout.endswith("\n1 error, 0 warnings, 1 resource\n")
