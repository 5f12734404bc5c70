"""What the command takes, and that every part has its place on the page."""

from pathlib import Path

import pytest

from bench.__main__ import PARTS, parse
from bench.figures import PAGE, keep


def test_all_parts_run_when_none_is_named() -> None:
    assert parse([], "").parts == [
        "proxy",
        "routing",
        "translation",
        "estimates",
        "reload",
        "start",
        "soak",
        "operator",
    ]


def test_without_a_cluster_its_part_is_left_out_and_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse([], "not built").parts == ["proxy", "routing", "translation", "estimates", "reload", "start", "soak"]
    assert "left out: operator: not built" in capsys.readouterr().out
    assert parse(["start"], "not built").parts == ["start"]
    with pytest.raises(SystemExit):
        parse(["operator"], "not built")


def test_one_part_alone() -> None:
    assert parse(["start", "--rounds", "2"], "").parts == ["start"]


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["start", "finish"], "")
    assert "there is no part finish" in capsys.readouterr().err


@pytest.mark.parametrize("part", PARTS)
def test_every_part_has_its_place_on_the_page(part: str, tmp_path: Path) -> None:
    copy = tmp_path / "page.md"
    copy.write_text(PAGE.read_text())
    keep(part, "figures", copy)
    assert "figures" in copy.read_text()
