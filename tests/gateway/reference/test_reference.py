"""The page of providers says what the gateway does: each table is held against the code's behaviour."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sluice_config.resources.provider_policy import Azure
from sluice_config.snapshot import Provider as Policy
from sluice_gateway.calls import parse
from sluice_gateway.credentials import Credentials
from sluice_gateway.errors import UnsupportedParameter
from sluice_gateway.normal.answers import Finish
from sluice_gateway.providers.provider import Provider, make_provider
from sluice_gateway.providers.registry import SHIPPED
from sluice_gateway.providers.vendors import VENDORS
from sluice_gateway.reference import markdown
from sluice_gateway.reference.__main__ import main
from sluice_gateway.reference.finishes import FINISHES
from sluice_gateway.reference.tables import code, section, table
from sluice_gateway.reference.vendors import UNTOLD
from sluice_gateway.server.app import ENDPOINTS
from sluice_gateway.server.openapi.document import OPERATIONS
from sluice_gateway.upstream import LeanUpstream
from sluice_gateway.ways import Whole, way_to
from tests.support.translations import wire_of

PAGE = Path(__file__).resolve().parents[3] / "docs" / "providers.md"


def rows(title: str) -> list[list[str]]:
    """The rows of the first table of a section, titles first."""
    text = markdown().partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [line.strip("| ").split(" | ") for line in (lines[0], *lines[2:])]


def provider(vendor: str) -> Provider:
    url = None if vendor == "mock" else "http://127.0.0.1:9"
    said = {"namespace": "n", "name": "p", "generation": 1, "vendor": vendor, "base_url": url}
    policy = Policy.model_validate({**said, "azure": Azure(api_version="1")})
    ready = make_provider(policy, Credentials.of({}), LeanUpstream())
    assert ready is not None
    return ready


def way(vendor: str, path: str) -> str:
    """How a request goes there: relayed if its own spaces survive."""
    spaced = json.dumps(OPERATIONS[path].example).replace("{", "{  ", 1).encode()
    call = parse(spaced, ENDPOINTS[path])
    try:
        found = way_to(provider(vendor), call, call.model, "req_1", {})
    except UnsupportedParameter as error:
        return "-" if error.message == f"{vendor} has no {call.shape}" else error.message
    if isinstance(found, Whole):
        return "estimated"
    return "relayed" if b"{  " in found.body else "translated"


def test_the_page_is_as_generated() -> None:
    assert PAGE.read_text(encoding="utf-8") == markdown()


@pytest.mark.parametrize("vendor", VENDORS)
def test_endpoints_are_served_as_the_page_says(vendor: str) -> None:
    titles, *lines = rows("Endpoints")
    (said,) = [line[2:] for line in lines if line[:2] == [f"`{vendor}`", f"`{VENDORS[vendor].wire}`"]]
    assert said == [way(vendor, path.strip("`")) for path in titles[2:]]


def test_every_vendor_and_every_shape_is_there() -> None:
    assert [line[0] for line in rows("Vendors")[1:]] == [f"`{vendor}`" for vendor in VENDORS]
    assert [line[0] for line in rows("Wire shapes")[1:]] == [f"`{shape}`" for shape in SHIPPED]
    named = {name for line in rows("Vendors")[1:] for name in line[1].replace("`", "").split(", ")}
    assert named == SHIPPED.keys()


def test_no_quirk_is_passed_over() -> None:
    assert set() == UNTOLD
    told = {line[0].strip("`") for line in rows("Quirks")[1:]}
    assert {"openai", "azure", "groq", "deepseek", "ollama", "llamacpp"} <= told
    assert "mock" not in told


def test_every_vendor_has_its_parameters() -> None:
    named = [name for line in rows("Parameters")[1:] for name in line[0].replace("`", "").split(", ")]
    assert sorted(named) == sorted(VENDORS)


def test_finish_reasons_stand_in_both_directions() -> None:
    assert [line[0].strip("`") for line in rows("Finish reasons, as callers read them")[1:]] == list(Finish)
    (length,) = [line for line in rows("Finish reasons, as providers send them") if line[0] == "`length`"]
    assert length[1:] == ["`length`, `max_tokens`", "`max_tokens`", "`MAX_TOKENS`, `CONTINUATION`", "`MAX_TOKENS`"]


ANSWERS = {
    "openai": '{"id":"1","choices":[{"index":0,"message":{"content":"a"},"finish_reason":"%s"}]}',
    "anthropic": '{"id":"1","type":"message","content":[{"type":"text","text":"a"}],"stop_reason":"%s"}',
    "google": '{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"%s"}]}',
    "cohere": '{"id":"1","message":{"role":"assistant","content":[{"type":"text","text":"a"}]},"finish_reason":"%s"}',
}


READ = [(shape, word, finish) for shape, words in FINISHES.items() for word, finish in words.items()]


@pytest.mark.parametrize(("shape", "word", "finish"), [one for one in READ if one[2] is not Finish.TOOL_CALLS])
def test_a_reason_is_read_as_the_page_says(shape: str, word: str, finish: Finish) -> None:
    answer = wire_of(shape).adapter.parse_response((ANSWERS[shape] % word).encode())
    assert [choice.finish for choice in answer.choices] == [finish]


def test_faults_are_told_by_status_and_by_kind() -> None:
    by_status = {line[0]: line[1:] for line in rows("Faults by status")[1:]}
    assert by_status["429"] == ["`rate_limited`"] * 4
    assert by_status["529"] == ["`failed`"] * 4
    told = {line[0].strip("`"): line[2] for line in rows("Faults, as callers read them")[1:]}
    assert told["rate_limited"] == "`429 rate_limit_exceeded`"
    assert told["caller"] == "the provider's own status and code"


def test_the_command_prints_writes_and_checks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    assert main(["--check", str(page)]) == 1
    page.write_text("old")
    assert main(["--check", str(page)]) == 1
    assert "--write" in capsys.readouterr().err
    assert main(["--write", str(page)]) == main(["--check", str(page)]) == 0
    command = [sys.executable, "-m", "sluice_gateway.reference"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == page.read_text()


def test_tables_are_markdown() -> None:
    assert table(("a", "b"), [("1", "")]) == "| a | b |\n| --- | --- |\n| 1 | - |"
    assert code("a", "b|c") == "`a`, `b&#124;c`"
    assert section("T", "x", "y") == "## T\n\nx\n\ny"
