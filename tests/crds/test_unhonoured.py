"""No accepted field is ignored in silence: the table, its findings and its page agree."""

import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from sluice_config.findings import Finding, Level
from sluice_config.resources import KINDS, parse_resource
from sluice_config.resources.provider_policy import Vendor
from sluice_config.resources.schema import structural
from sluice_config.unhonoured import TABLE, Unhonoured, markdown, unhonoured
from sluice_config.unhonoured.__main__ import BEGIN, END, main, with_list
from tests.crds.test_crd import nodes
from tests.support.resources import cache, provider, read

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "known-weaknesses.md"
CASES = Path(__file__).parent


def fields(findings: list[Finding]) -> list[str]:
    return [finding.field for finding in findings]


def test_the_page_has_every_line_of_the_table() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_list(page)
    assert [entry.field for entry in TABLE if f"- `{entry.field}`" not in page] == []


@pytest.mark.parametrize("entry", TABLE, ids=lambda entry: f"{entry.kind}.{entry.field}")
def test_every_entry_is_a_field(entry: Unhonoured) -> None:
    assert entry.field in {path for path, _ in nodes(structural(KINDS[entry.kind]))}


@pytest.mark.parametrize("kind", KINDS)
def test_a_resource_with_everything_has_all_findings_of_its_kind(kind: str) -> None:
    (everything,) = read(CASES / kind.lower() / "accepted" / "everything.yaml")
    found = list(unhonoured(parse_resource(everything)))
    wanted = {entry.message for entry in TABLE if entry.kind == kind}
    assert {finding.message for finding in found} == wanted
    assert {(finding.level, finding.reason) for finding in found} == (
        {(Level.INFO, "NotHonoured")} if wanted else set()
    )


@pytest.mark.parametrize("kind", ["ModelRoute", "ProviderPolicy"])
def test_the_smallest_resource_has_none(kind: str) -> None:
    (smallest,) = read(CASES / kind.lower() / "accepted" / "smallest.yaml")
    assert list(unhonoured(parse_resource(smallest))) == []


def test_a_cache_policy_as_a_whole_does_nothing_yet() -> None:
    assert fields(list(unhonoured(cache("answers")))) == ["spec"]


@pytest.mark.parametrize("vendor", get_args(Vendor))
def test_every_vendor_is_served(vendor: str) -> None:
    assert list(unhonoured(provider("a", vendor, baseURL="http://localhost:8000/v1"))) == []


def test_the_command_prints_the_list() -> None:
    command = [sys.executable, "-m", "sluice_config.unhonoured"]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout == markdown()


def test_the_command_checks_and_writes_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Before\n\n{BEGIN}\nold\n{END}\n\nAfter.\n")
    assert main(["--check", str(page)]) == 1
    assert "--write" in capsys.readouterr().err
    assert main(["--write", str(page)]) == 0
    assert main(["--check", str(page)]) == 0
    assert page.read_text() == f"# Before\n\n{BEGIN}\n\n{markdown()}\n{END}\n\nAfter.\n"


@pytest.mark.parametrize("page", ["", BEGIN, END, f"{END}\n{BEGIN}"])
def test_a_page_without_its_markers_is_left_alone(page: str) -> None:
    with pytest.raises(ValueError, match="the page needs the lines"):
        with_list(page)
