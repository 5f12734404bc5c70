"""What is written, in which order, when resources change: a pair of files for each rule.

An input is a list of documents, and then, each after a document ``{kind: Then}``, the ones that are applied or, with
``deleted: true`` in their metadata, deleted. The output is what each step writes.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.children import Children, deployment, readable, values
from tests.support.golden import Golden
from tests.support.resources import Document, inputs, read

FOLDER = Path(__file__).parents[2] / "golden" / "render"
RULES = sorted(file.name.removesuffix(".in.yaml") for file in FOLDER.glob("*.in.yaml"))


def steps(documents: list[Document]) -> Iterator[list[Document]]:
    """All documents as they are after each step."""
    there: dict[tuple[str, str, str], Document] = {}
    for found in documents:
        if found["kind"] == "Then":
            yield list(there.values())
            continue
        about = found["metadata"]
        key = (found["kind"], about.get("namespace", "default"), about["name"])
        there.pop(key, None)
        if not about.get("deleted"):
            there[key] = found
    yield list(there.values())


def written(documents: list[Document], *, backwards: bool = False) -> list[Any]:
    """What each step writes, the first one and each change after it."""
    result = []
    children = Children()
    for step in steps(documents):
        ordered = step[::-1] if backwards else step
        children.gateway = deployment(step)
        _, resources = inputs(found for found in ordered if found["kind"] != "Deployment")
        result.append(
            [readable(children.gateway, child) for child in children.reconcile(resources, values(ordered))] or "nothing"
        )
        children.read()
        assert list(children.reconcile(resources, values(ordered))) == []
    return result


@pytest.mark.parametrize("rule", RULES)
def test_rule(rule: str, golden: Golden) -> None:
    documents = read(FOLDER / f"{rule}.in.yaml")
    result = written(documents)
    golden.check(f"render/{rule}.out.yaml", yaml.safe_dump_all(result, sort_keys=False, width=120))
    assert written(documents, backwards=True) == result


def test_every_output_has_its_input() -> None:
    assert sorted(file.name.removesuffix(".out.yaml") for file in FOLDER.glob("*.out.yaml")) == RULES
