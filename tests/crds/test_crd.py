"""The generated CRDs: structural, bounded, small, and the same as the files in the repository."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sluice_config.crd import DEFINITIONS, main, render

CRDS = Path(__file__).parents[2] / "crds"
FILES = sorted(CRDS.glob("*.yaml"))
MOST_BYTES = 200 * 1024

STRUCTURAL = {
    *("type", "description", "default", "enum", "pattern", "format", "required", "properties", "items"),
    *("minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems"),
    *("x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-validations"),
}

Node = dict[str, Any]


def load(file: Path) -> Node:
    content: Node = yaml.safe_load(file.read_text(encoding="utf-8"))
    return content


def nodes(schema: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    """Every node of a schema with its path, such as spec.targets[].provider."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}".lstrip("."))
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")


def schema_of(file: Path) -> Node:
    (version,) = load(file)["spec"]["versions"]
    schema: Node = version["schema"]["openAPIV3Schema"]
    return schema


def own_nodes(file: Path) -> list[tuple[str, Node]]:
    """The nodes that are ours to write: all but the object's root and its metadata."""
    return [(path, node) for path, node in nodes(schema_of(file)) if path not in {"", "metadata"}]


each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)


def test_the_files_are_as_generated() -> None:
    assert {file.name: file.read_text(encoding="utf-8") for file in FILES} == {
        f"{definition.name}.yaml": render(definition) for definition in DEFINITIONS
    }


@each_file
def test_size(file: Path) -> None:
    assert file.stat().st_size < MOST_BYTES


def is_bounded(node: Node) -> bool:
    match node["type"]:
        case "array":
            return bool(0 < node["maxItems"] <= 256)
        case "string":
            return "enum" in node or 0 < node["maxLength"] <= 32768
        case "integer":
            return bool(node["minimum"] < node["maximum"] < 2**53)  # bounds are floating-point numbers to an API server
        case other:
            return other in {"boolean", "object"}


@each_file
def test_every_node_is_structural_and_bounded(file: Path) -> None:
    found = own_nodes(file)
    assert [path for path, node in found if not set(node) <= STRUCTURAL] == []
    assert [path for path, node in found if not is_bounded(node)] == []


@each_file
def test_every_list_says_how_it_merges(file: Path) -> None:
    lists = [(path, node) for path, node in own_nodes(file) if node["type"] == "array"]
    for path, node in lists:
        kind, keys = node["x-kubernetes-list-type"], node.get("x-kubernetes-list-map-keys", [])
        assert kind in {"atomic", "set", "map"}, path
        assert (kind == "map") == bool(keys), path
        assert set(keys) <= set(node["items"].get("required", ())), path


@each_file
def test_defaults_are_of_their_type_and_within_bounds(file: Path) -> None:
    types = {"string": str, "integer": int, "boolean": bool}
    for path, node in own_nodes(file):
        default = node.get("default")
        if default is not None:
            assert type(default) is types[node["type"]], path
            assert default in node.get("enum", [default]), path
            assert node["type"] != "integer" or node["minimum"] <= default <= node["maximum"], path


@each_file
def test_every_field_of_a_spec_is_described(file: Path) -> None:
    described = [(path, node.get("description", "")) for path, node in own_nodes(file) if path.startswith("spec")]
    assert [path for path, text in described if not path.endswith("[]") and not text.endswith(".")] == []


@each_file
def test_rules_have_words_and_blame_a_field_that_exists(file: Path) -> None:
    for path, node in own_nodes(file):
        for rule in node.get("x-kubernetes-validations", ()):
            assert {"rule", "message"} <= set(rule) <= {"rule", "message", "fieldPath"}, path
            field = rule.get("fieldPath", "").removeprefix(".")
            assert not field or field in node["properties"], path
            assert 0 < len(rule["message"]) <= 2048, path  # the API server's limit
            assert "\n" not in rule["message"], path


@each_file
def test_names(file: Path) -> None:
    crd = load(file)
    spec = crd["spec"]
    names = spec["names"]
    assert crd["metadata"]["name"] == f"{names['plural']}.{spec['group']}" == file.stem
    assert (spec["group"], spec["scope"], names["categories"]) == ("sluice.dev", "Namespaced", ["sluice"])
    assert names["listKind"] == f"{names['kind']}List"
    (version,) = spec["versions"]
    assert (version["name"], version["served"], version["storage"]) == ("v1alpha1", True, True)
    assert version["subresources"] == {"status": {}}


def test_short_names_differ() -> None:
    short = [name for file in FILES for name in load(file)["spec"]["names"]["shortNames"]]
    assert sorted(short) == ["cpolicy", "mroute", "ppolicy"]


@pytest.mark.parametrize(
    ("file", "columns"),
    [
        ("modelroutes", ["Models", "Strategy", "Accepted", "Programmed", "Reason", "Age"]),
        ("providerpolicies", ["Provider", "Enabled", "Accepted", "Programmed", "Reason", "Age"]),
        ("cachepolicies", ["Mode", "Store", "Accepted", "Programmed", "Reason", "Age"]),
    ],
)
def test_printer_columns(file: str, columns: list[str]) -> None:
    (version,) = load(CRDS / f"{file}.sluice.dev.yaml")["spec"]["versions"]
    assert [column["name"] for column in version["additionalPrinterColumns"]] == columns
    known = {path for path, _ in nodes(version["schema"]["openAPIV3Schema"])}
    for column in version["additionalPrinterColumns"]:
        path = column["jsonPath"].removeprefix(".").partition("[")[0]
        assert path in known or path == "metadata.creationTimestamp"


@each_file
def test_status_has_conditions_by_type(file: Path) -> None:
    status = schema_of(file)["properties"]["status"]["properties"]
    assert status["observedGeneration"]["type"] == "integer"
    conditions = status["conditions"]
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]
    assert conditions["items"]["required"] == ["type", "status", "reason", "message", "lastTransitionTime"]
    assert conditions["items"]["properties"]["observedGeneration"]["type"] == "integer"


def test_check_names_what_differs_and_writing_mends_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = str(tmp_path)
    assert main(["--check", directory]) == 1
    assert "modelroutes.sluice.dev.yaml" in capsys.readouterr().err
    assert main([directory]) == 0
    assert main(["--check", directory]) == 0
    (tmp_path / "modelroutes.sluice.dev.yaml").write_text("kind: Other\n")
    assert main(["--check", directory]) == 1
    reported = capsys.readouterr().err
    assert "modelroutes" in reported
    assert "cachepolicies" not in reported
