"""The images as they are built: small, without tools, and for nobody in particular to run."""

import os

import pytest

from tests.images.archive import added_bytes, config, layers
from tests.images.build import GATEWAY, OPERATOR, VERSION, Image, built
from tests.support.cluster import available_programs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MEGABYTES = {GATEWAY: 62, OPERATOR: 90}
TOOLS = ("/pip/", "/hatchling/", "/editables/", "/setuptools/", "/wheel/", ".whl", "/.cache/")


@pytest.fixture(scope="module", params=[GATEWAY, OPERATOR], ids=lambda image: image.dockerfile)
def image(request: pytest.FixtureRequest) -> Image:
    available_programs(os.environ)  # where no cluster can run, no image can be built
    one: Image = request.param
    built(one)
    return one


def test_it_adds_little_to_its_base(image: Image) -> None:
    assert added_bytes(image.archive) / 1e6 <= MEGABYTES[image]


def test_it_runs_as_a_numeric_user_and_says_what_it_is(image: Image) -> None:
    found = config(image.archive)
    user, _, group = found["User"].partition(":")
    assert int(user) > 0
    assert int(group) > 0
    assert found["Labels"]["org.opencontainers.image.version"] == VERSION
    assert found["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"


def test_nothing_is_left_of_its_building(image: Image) -> None:
    _base, *added = ([member.name for member in layer] for layer in layers(image.archive))
    names = [f"/{name}" for layer in added for name in layer]
    assert not [name for name in names if any(tool in name for tool in TOOLS)]
    modules = [name for name in names if name.endswith("/sluice_config/snapshot.py")]
    assert len(modules) == 1
    assert any("/sluice_config/__pycache__/snapshot.cpython" in name for name in names)
