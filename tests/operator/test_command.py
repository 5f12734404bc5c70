"""The command's settings, and how it ends."""

import os
import subprocess
from pathlib import Path

import pytest

from sluice_operator.errors import InvalidSetting
from sluice_operator.settings import Settings
from tests.support.operator import PROGRAM
from tests.support.site import Site


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("SLUICE_", "KUBE"))}
    env = clean | environ
    return subprocess.run([PROGRAM, *arguments], env=env, capture_output=True, text=True, timeout=30, check=False)


def test_defaults():
    assert Settings.read({}) == Settings()
    assert (Settings().namespaces, Settings().host, Settings().port, Settings().log_level) == (None, "", 8080, "info")


def test_variables():
    environ = {
        "SLUICE_NAMESPACES": " b, a ,,b",
        "SLUICE_NAMESPACE": "home",
        "SLUICE_LISTEN": "[::1]:81",
        "SLUICE_LOG_LEVEL": "WARNING",
        "HOSTNAME": "pod-1",
        "KUBECONFIG": "/some/file",
    }
    assert Settings.read(environ) == Settings(
        namespaces=("a", "b"),
        namespace="home",
        host="::1",
        port=81,
        identity="pod-1",
        kubeconfig=Path("/some/file"),
        log_level="warning",
    )


def test_arguments_win():
    environ = {"SLUICE_NAMESPACES": "a", "SLUICE_LISTEN": ":1", "KUBECONFIG": "/some/file"}
    found = Settings.read(environ, namespaces="", listen="127.0.0.1:2", kubeconfig=Path("/other"))
    assert (found.namespaces, found.host, found.port, found.kubeconfig) == (None, "127.0.0.1", 2, Path("/other"))


@pytest.mark.parametrize("listen", ["8080", "host:", ":x", ":70000"])
def test_an_address_that_is_none(listen: str):
    with pytest.raises(InvalidSetting, match="is not HOST:PORT or :PORT"):
        Settings.read({}, listen=listen)


def test_a_wrong_setting_ends_the_command():
    ended = run(SLUICE_LOG_LEVEL="loud")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "sluice-operator: SLUICE_LOG_LEVEL: 'loud' is none of debug, info, warning, error\n"
    ended = run("--listen", "127.0.0.1:0")
    assert (ended.returncode, "not in a pod, and no kubeconfig given" in ended.stderr) == (2, True)


def test_its_help_names_every_flag_and_variable():
    text = run("--help").stdout
    for name in ("--namespaces", "--listen", "--kubeconfig", "SLUICE_NAMESPACES", "SLUICE_LISTEN", "KUBECONFIG"):
        assert name in text


def test_an_address_that_is_taken_ends_it(site: Site):
    first = site.start()
    ended = run(KUBECONFIG=str(site.folder / "one.kubeconfig"), SLUICE_LISTEN=f"127.0.0.1:{first.port}")
    assert ended.returncode == 1
    assert f"cannot listen on 127.0.0.1:{first.port}" in ended.stderr
