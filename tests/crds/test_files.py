"""One file per accepted and per rejected case, read here as local mode reads them; an API server can get the same.

A rejected file's first line says what the message must hold: a rule's text, or the path of the field to blame. The
folders ``*_updates`` hold an object and its next version; rules about a change bind at the API server only.
"""

from pathlib import Path

import pytest

from sluice_config.resources import KINDS, InvalidResource, parse_resource
from sluice_config.resources.schema import Schema, structural
from tests.support.resources import read

FOLDER = Path(__file__).parent
EXPECT = "# expect: "


def files(folder: str) -> list[Path]:
    return sorted(FOLDER.glob(f"*/{folder}/*.yaml"))


def named(file: Path) -> str:
    return f"{file.parent.parent.name}/{file.stem}"


def expectation(file: Path) -> str:
    first, _, _ = file.read_text(encoding="utf-8").partition("\n")
    assert first.startswith(EXPECT), f"{file} must begin with {EXPECT}"
    return first.removeprefix(EXPECT)


@pytest.mark.parametrize("file", [*files("accepted"), *files("accepted_updates")], ids=named)
def test_accepted(file: Path) -> None:
    for found in read(file):
        resource = parse_resource(found)
        assert resource.kind.lower() == file.parent.parent.name


@pytest.mark.parametrize("file", files("rejected"), ids=named)
def test_rejected(file: Path) -> None:
    (found,) = read(file)
    with pytest.raises(InvalidResource) as caught:
        parse_resource(found)
    assert [expectation(file) in str(problem) for problem in caught.value.problems] == [True]


@pytest.mark.parametrize("file", files("rejected_updates"), ids=named)
def test_each_version_of_a_rejected_update_is_valid_by_itself(file: Path) -> None:
    assert expectation(file)
    before, after = (parse_resource(found) for found in read(file))
    assert before.key == after.key


def rules(schema: Schema) -> list[str]:
    """The messages of all rules in a schema."""
    own = [rule["message"] for rule in schema.get("x-kubernetes-validations", ())]
    below = [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else ())]
    return [*own, *(message for child in below for message in rules(child))]


@pytest.mark.parametrize("kind", KINDS)
def test_every_rule_has_its_rejected_file(kind: str) -> None:
    rejected = [*files("rejected"), *files("rejected_updates")]
    shown = {expectation(file) for file in rejected if file.parent.parent.name == kind.lower()}
    assert set(rules(structural(KINDS[kind]))) - shown == set()


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_with_everything_sets_every_field(kind: str) -> None:
    (everything,) = read(FOLDER / kind.lower() / "accepted" / "everything.yaml")
    unset = set(_paths(structural(KINDS[kind])["properties"]["spec"])) - set(_set_paths(everything["spec"]))
    assert unset == ONLY_ELSEWHERE[kind]


# What excludes another field, or belongs to another vendor, is shown in a file of its own.
ONLY_ELSEWHERE = {
    "ModelRoute": set(),
    "ProviderPolicy": {
        *("serviceRef", "serviceRef.name", "serviceRef.port", "serviceRef.path", "serviceRef.scheme"),
        *("openai", "openai.organization", "openai.project", "azure", "azure.apiVersion"),
        *("google", "google.vertex", "google.vertex.project", "google.vertex.location"),
        *("mock", "mock.seed", "mock.latencyMilliseconds", "mock.tokensPerSecond"),
        *("mock.errorPercent", "mock.errorStatus", "mock.cutAfterFrames"),
    },
    "CachePolicy": {
        *("store.memory", "store.external", "store.external.address", "store.external.tls"),
        *("store.external.secretRef", "store.external.secretRef.name"),
        *("store.external.secretRef.usernameKey", "store.external.secretRef.passwordKey"),
    },
}


def _paths(schema: Schema, prefix: str = "") -> list[str]:
    found = []
    for name, child in schema.get("items", schema).get("properties", {}).items():
        found += [f"{prefix}{name}", *_paths(child, f"{prefix}{name}.")]
    return found


def _set_paths(value: object, prefix: str = "") -> list[str]:
    if isinstance(value, list):
        return [path for item in value for path in _set_paths(item, prefix)]
    if not isinstance(value, dict):
        return []
    return [
        path for name, child in value.items() for path in (f"{prefix}{name}", *_set_paths(child, f"{prefix}{name}."))
    ]
