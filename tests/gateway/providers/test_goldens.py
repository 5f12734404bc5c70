"""Every rule of every wire shape and every dialect, as a pair of files: what comes in, and what must go out."""

from pathlib import Path

import pytest

from sluice_gateway.calls import Shape
from tests.support.golden import Golden
from tests.support.translations import Translation

FOLDER = Path(__file__).resolve().parents[2] / "golden"
CASES = sorted(FOLDER.glob("providers/*/*.in.*")) + sorted(FOLDER.glob("dialects/*/*.in.*"))


def translation_of(file: Path) -> Translation:
    """Of a case: between callers of chat and the provider of its folder, or callers of its folder and OpenAI."""
    if file.parent.parent.name == "providers":
        return Translation(file.parent.name)
    return Translation("openai", Shape(file.parent.name))


def case(file: Path) -> str:
    """The name of a case."""
    return f"{file.parent.name}/{file.name}"


@pytest.mark.parametrize("file", CASES, ids=case)
def test_golden(file: Path, request: pytest.FixtureRequest) -> None:
    name = file.name.replace(".in.txt", ".in.json").replace(".in.", ".out.")
    golden = Golden(file.parent, rewrite=request.config.getoption("--rewrite-golden"))
    golden.check(name, translation_of(file).run(file))


@pytest.mark.parametrize("file", [file for file in CASES if file.suffix == ".sse"], ids=case)
def test_a_stream_is_the_same_wherever_it_is_cut(file: Path) -> None:
    translation, data = translation_of(file), file.read_bytes()
    whole = translation.stream(data)
    for cut in range(1, len(data)):
        assert translation.stream(data, cut=cut) == whole, f"cut at byte {cut}"
