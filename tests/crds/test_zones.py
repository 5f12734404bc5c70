"""Time zones that exist, and what looks like one."""

from zoneinfo import ZoneInfo

import pytest

from sluice_config.resources import InvalidResource, parse_resource
from sluice_config.resources.zones import zone_exists


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+1", "Europe/Kyiv"])
def test_zones(name: str) -> None:
    assert zone_exists(name)
    assert ZoneInfo(name).key == name


@pytest.mark.parametrize("name", ["", "utc", "europe/berlin", "Europe", "Europe/Bielefeld", "localtime", "CEST"])
def test_no_zones(name: str) -> None:
    assert not zone_exists(name)


def test_the_field_is_named() -> None:
    limits = [
        {"name": "a", "per": "route", "requests": 1, "window": "day", "timeZone": zone}
        for zone in ("UTC", "Mars/Crater")
    ]
    limits[1]["name"] = "b"
    document = {
        "apiVersion": "sluice.dev/v1alpha1",
        "kind": "ModelRoute",
        "metadata": {"name": "r"},
        "spec": {"models": ["chat"], "limits": limits},
    }
    with pytest.raises(InvalidResource) as caught:
        parse_resource(document)
    (problem,) = caught.value.problems
    assert problem.field == "spec.limits[1].timeZone"
    assert "Mars" not in problem.message
