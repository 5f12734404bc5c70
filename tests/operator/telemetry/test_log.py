"""What should never happen is one line of the log like all others, without a word that may be a secret."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from sluice_operator.telemetry.log import where
from tests.operator.test_command import run
from tests.support.canary import CANARY

DEFECT = f"""
import threading
from sluice_operator.telemetry.log import log_defects, make_logger

log_defects(make_logger())
def fail():
    value = {CANARY!r}
    raise LookupError("what was read: " + value)
"""


def lines(standard_error: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in standard_error.splitlines()]


@pytest.mark.parametrize(
    ("call", "code"), [("fail()", 1), ("thread = threading.Thread(target=fail); thread.start(); thread.join()", 0)]
)
def test_what_nobody_catches_is_one_line(call: str, code: int):
    command = [sys.executable, "-c", DEFECT + call]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    [line] = lines(ended.stderr)
    assert ended.returncode == code
    assert (line["event"], line["level"]) == ("defect", "error")
    assert "builtins.LookupError" in line["traceback"]
    assert "in fail" in line["traceback"]
    assert CANARY not in ended.stderr


def test_the_command_ends_with_one_line(tmp_path: Path):
    """Of a kubeconfig whose server is no text, which nobody has thought of."""
    cluster = [{"name": "one", "cluster": {"server": 5}}]
    contexts = [{"name": "one", "context": {"cluster": "one", "user": "one"}}]
    users = [{"name": "one", "user": {"token": CANARY}}]
    content = {"current-context": "one", "contexts": contexts, "clusters": cluster, "users": users}
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    ended = run(KUBECONFIG=str(file))
    [line] = lines(ended.stderr)
    assert (ended.returncode, line["event"]) == (1, "defect")
    assert "in _from_file" in line["traceback"]
    assert CANARY not in ended.stderr


def raised(error: Exception, cause: Exception | None = None) -> Exception:
    with pytest.raises(type(error)) as caught:
        raise error from cause
    return caught.value


def test_causes_and_groups_are_told_by_their_kinds():
    told = where(raised(ValueError(CANARY), raised(KeyError(CANARY))))
    assert told.index("builtins.KeyError") < told.index("builtins.ValueError")
    group = where(raised(ExceptionGroup(CANARY, [OSError(CANARY), LookupError(CANARY)])))
    assert group.count("of which one:") == 2
    assert group.index("builtins.OSError") < group.index("builtins.LookupError")
    assert CANARY not in told + group
