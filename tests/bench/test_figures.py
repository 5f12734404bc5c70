"""Figures are what they say they are."""

from pathlib import Path

import pytest

from bench.figures import circumstances, keep, percentile, spread, table


def test_a_spread_is_the_median_with_lowest_and_highest() -> None:
    assert spread([3.0, 1.0, 2000.0]) == "3 (1-2,000)"


def test_a_single_figure_has_no_spread() -> None:
    assert spread([1.25], 1) == "1.2"


@pytest.mark.parametrize(("percent", "expected"), [(1, 1), (50, 50), (99, 99), (100, 100)])
def test_percentiles_are_values_that_were_seen(percent: int, expected: int) -> None:
    assert percentile([float(value) for value in range(100, 0, -1)], percent) == expected


def test_the_99th_percentile_of_few_values_is_the_highest() -> None:
    assert percentile([3.0, 1.0, 2.0], 99) == 3.0


def test_a_table_lines_up() -> None:
    assert table(("a", "long"), [["longer", "b"]]).splitlines() == [
        "| a      | long |",
        "| ------ | ---- |",
        "| longer | b    |",
    ]


def test_circumstances_name_machine_and_python() -> None:
    assert "Python 3." in circumstances()
    assert "cores" in circumstances()


def test_only_the_parts_own_figures_are_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    begin = "<!-- start: written by python -m bench start --write -->"
    page.write_text(f"before\n{begin}\nold\n<!-- end of start -->\nafter\n")
    keep("start", "new", page)
    keep("start", "newer", page)
    assert page.read_text() == f"before\n{begin}\n\nnewer\n\n<!-- end of start -->\nafter\n"


def test_a_page_without_a_place_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("text\n")
    with pytest.raises(ValueError, match=r"page\.md has no place for proxy"):
        keep("proxy", "new", page)
    assert page.read_text() == "text\n"
