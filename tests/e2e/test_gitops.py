"""The walk of a GitOps repository's CI: validate, compile, explain."""

import json
import re
import shutil
from pathlib import Path

from tests.support.command import SLUICE, Command, running

SAMPLES = Path(__file__).parents[2] / "manifests" / "samples"


async def sluice(*arguments: str | Path, cwd: Path) -> Command:
    async with running(SLUICE, *arguments, cwd=cwd) as command:
        await command.ended()
    return command


async def test_good_files_pass(tmp_path: Path) -> None:
    shutil.copytree(SAMPLES, tmp_path / "apps")
    command = await sluice("check", "-f", "apps", cwd=tmp_path)
    assert command.process.returncode == 0, command.out + command.err
    assert "error" not in command.out.replace("0 errors", "")


async def test_the_examples_of_the_readme_stand_beside_the_samples(tmp_path: Path) -> None:
    examples = re.findall(r"```yaml\n(.*?)```", (SAMPLES.parents[1] / "README.md").read_text(), re.DOTALL)
    assert len(examples) == 2
    example = "---\n".join(examples)
    shutil.copytree(SAMPLES, tmp_path / "apps")
    (tmp_path / "apps" / "llama.yaml").write_text(example)
    command = await sluice("check", "-f", "apps", cwd=tmp_path)
    assert command.process.returncode == 0, command.out
    (tmp_path / "alone.yaml").write_text(example)
    command = await sluice("check", "-f", "alone.yaml", cwd=tmp_path)
    assert command.process.returncode == 0, command.out


async def test_findings_read_like_a_compilers(tmp_path: Path) -> None:
    shutil.copytree(SAMPLES, tmp_path / "apps")
    chat = tmp_path / "apps" / "chat.yaml"
    chat.write_text(chat.read_text().replace("provider: mock", "provider: mokc"))
    command = await sluice("check", "-f", "apps", cwd=tmp_path)
    assert command.process.returncode == 1
    line = 1 + next(number for number, text in enumerate(chat.read_text().splitlines()) if "mokc" in text)
    [finding] = [text for text in command.out.splitlines() if "mokc" in text]
    assert finding.startswith(f"apps/chat.yaml:{line}: error: ModelRoute default/chat: spec.targets[0].provider: ")
    assert finding.endswith("[ProviderNotFound]")


async def test_machines_get_json(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text(
        "apiVersion: sluice.dev/v1alpha1\nkind: ModelRoute\nmetadata: {name: x}\nspec: {models: []}\n"
    )
    command = await sluice("check", "-f", ".", "-o", "json", cwd=tmp_path)
    assert command.process.returncode == 1
    document = json.loads(command.out)
    assert {(one["level"], one["kind"], one["name"], one["field"]) for one in document["findings"]} >= {
        ("error", "ModelRoute", "x", "spec.models")
    }


async def test_a_decision_is_explained(tmp_path: Path) -> None:
    shutil.copytree(SAMPLES, tmp_path / "apps")
    (tmp_path / "request.json").write_text(json.dumps({"model": "chat", "messages": []}))
    for arguments in (("--model", "chat"), ("--request", "request.json")):
        command = await sluice("explain", "-f", "apps", *arguments, cwd=tmp_path)
        assert command.process.returncode == 0
        assert "default/chat" in command.out
        assert "mock/" in command.out
    unknown = await sluice("explain", "-f", "apps", "--model", "nobody", "-o", "json", cwd=tmp_path)
    assert unknown.process.returncode == 1
    assert json.loads(unknown.out)["answer"] == "404 model_not_found"
    assert (await sluice("explain", "-f", "apps", cwd=tmp_path)).process.returncode == 2
