"""The gateways that are compared are what the table says of them."""

import io
from pathlib import Path

from bench.contender import Contender
from bench.measured import Measured, free_port
from bench.routing import BARE, LOCAL, TARGETS, Setup, measured, write
from sluice_gateway.commands.check import run as check


def described(folder: Path) -> str:
    out = io.StringIO()
    assert check([folder], "text", {}, out) == 0, out.getvalue()
    return (folder / "all.yaml").read_text()


def test_the_bare_route_has_one_target_and_no_limit(tmp_path: Path) -> None:
    text = described(write(tmp_path / "bare", 9, full=False))
    assert (text.count("kind: ProviderPolicy"), "limits" in text, "rateLimit" in text) == (1, False, False)


def test_the_full_one_has_all_that_is_to_be_paid_for(tmp_path: Path) -> None:
    text = described(write(tmp_path / "full", 9, full=True))
    assert (text.count("kind: ProviderPolicy"), text.count("rateLimit")) == (TARGETS, TARGETS)
    assert "strategy: balanced" in text
    assert ("per: route" in text, "per: consumer" in text) == (True, True)


def test_differences_are_those_within_a_round(tmp_path: Path) -> None:
    port = free_port()
    command = ["sleep", "0"]
    with Measured(command, port=port, output=tmp_path / "log", core=None) as process:
        setups = [
            Setup(Contender(name, process, plain_cpu=cpu, per_second=[1.0, 1.0], requests=10), quiet=quiet)
            for name, cpu, quiet in ((BARE, [100.0, 200.0], [0.2, 0.3]), (LOCAL, [110.0, 220.0], [0.25, 0.34]))
        ]
    lines = measured(setups).splitlines()
    assert "| 15.0 (10.0-20.0) |" in lines[-1]
    assert "| 0.045 (0.040-0.050) |" in lines[-1]
