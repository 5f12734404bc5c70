"""The server that the start is measured with says what the vendors' clients understand."""

from pathlib import Path

import pytest
import yaml

from bench.listings import VENDORS, listings, write
from sluice_config.resources import ProviderPolicy
from sluice_config.resources.parse import parse_resource
from sluice_gateway.discovery import sdks
from sluice_gateway.providers.provider import Access


@pytest.mark.parametrize("vendor", VENDORS)
async def test_each_client_lists_one_model(vendor: str) -> None:
    with listings() as port:
        offered = await sdks.ask(vendor, Access(f"http://127.0.0.1:{port}{VENDORS[vendor]}", None, ()))
    assert [one.model.name for one in offered.models] == ["m"]


def test_the_policies_ask_for_it(tmp_path: Path) -> None:
    write(tmp_path, 9)
    documents = yaml.safe_load_all((tmp_path / "discovered.yaml").read_text())
    resources = [parse_resource(document) for document in documents]
    asked = [one.spec.provider for one in resources if isinstance(one, ProviderPolicy) and one.spec.discovery.enabled]
    assert asked == list(VENDORS)
