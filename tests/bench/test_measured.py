"""A measured process starts on its core, is ready when it says so, and is gone afterwards."""

import os
import sys
from pathlib import Path

import pytest

from bench.contenders import nginx, sluice
from bench.measured import MEASURED_CORE, Measured, NotReady, free_port


def provider(folder: Path, port: int) -> Measured:
    command = [sys.executable, "-m", "bench.upstream", str(port)]
    return Measured(command, port=port, output=folder / "log", core=MEASURED_CORE)


def ticks(pid: int) -> float:
    """User and system time in seconds, as ps reads it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_it_is_on_its_core_while_it_runs_and_then_gone(tmp_path: Path) -> None:
    before = os.sched_getaffinity(0)
    with provider(tmp_path, free_port()) as process:
        process.wait_until_listening()
        assert os.sched_getaffinity(process.pid) == {MEASURED_CORE}
        assert process.cpu_seconds() == pytest.approx(ticks(process.pid), abs=0.05)
        assert 0 < process.resident_mib() <= process.resident_mib(peak=True)
    assert os.sched_getaffinity(0) == before
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


def test_a_process_that_ends_is_not_waited_for(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('no such folder')"]
    with (
        Measured(command, port=free_port(), output=tmp_path / "log", core=MEASURED_CORE) as process,
        pytest.raises(NotReady, match="no such folder"),
    ):
        process.wait_until_ready()


def test_sluice_takes_the_configuration_that_is_measured(tmp_path: Path) -> None:
    port = free_port()
    command = sluice.command(sluice.write_configuration(tmp_path / "configuration", free_port()), port)
    environ = sluice.environ(tmp_path / "home")
    with Measured(command, port=port, output=tmp_path / "log", core=MEASURED_CORE, environ=environ) as process:
        process.wait_until_ready()
        assert "error" not in (tmp_path / "log").read_text()


def test_nginx_keeps_to_the_loopback_interface_and_its_folder(tmp_path: Path) -> None:
    command = nginx.command(8081, 8082, tmp_path / "nginx")
    text = (tmp_path / "nginx" / "nginx.conf").read_text()
    assert "listen 127.0.0.1:8081;" in text
    assert "server 127.0.0.1:8082;" in text
    assert str(tmp_path / "nginx" / "nginx.conf") in command
