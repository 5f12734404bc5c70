"""What a real API server makes of the CRDs: the same files as in test_files, columns, defaults, and explanations."""

from pathlib import Path
from typing import Any

import pytest

from tests.crds.test_files import expectation, files, named
from tests.support.cluster import ApiRefused, ControlPlane, KubectlFailed
from tests.support.resources import Document, document, read

PLURALS = {"CachePolicy": "cachepolicies", "ModelRoute": "modelroutes", "ProviderPolicy": "providerpolicies"}
DRY_RUN = {"dryRun": "All"}


def collection(found: Document, namespace: str = "default") -> str:
    return f"/apis/sluice.dev/v1alpha1/namespaces/{namespace}/{PLURALS[found['kind']]}"


def refusal(sluice_api: ControlPlane, method: str, path: str, found: Document) -> str:
    with pytest.raises(ApiRefused) as caught:
        getattr(sluice_api.api, method)(path, found, **DRY_RUN)
    assert caught.value.status in {400, 422}
    return str(caught.value)


def create_first_of(file: Path, sluice_api: ControlPlane, namespace: str) -> tuple[str, Document]:
    """Create the file's first version; the path of the object and the next version, ready to be put there."""
    before, after = read(file)
    created = sluice_api.api.create(collection(before, namespace), before)
    after["metadata"]["resourceVersion"] = created["metadata"]["resourceVersion"]
    return f"{collection(after, namespace)}/{after['metadata']['name']}", after


@pytest.mark.parametrize("file", files("accepted"), ids=named)
def test_accepted(file: Path, sluice_api: ControlPlane) -> None:
    for found in read(file):
        created = sluice_api.api.create(collection(found), found, **DRY_RUN)
        assert kept(found["spec"], created["spec"])


def kept(sent: Any, stored: Any) -> bool:
    """Whether all that was sent is there; defaults may have come on top."""
    match sent, stored:
        case dict(), dict():
            return all(name in stored and kept(value, stored[name]) for name, value in sent.items())
        case list(), list():
            return len(sent) == len(stored) and all(map(kept, sent, stored))
        case _:
            return bool(sent == stored)


@pytest.mark.parametrize("file", files("rejected"), ids=named)
def test_rejected(file: Path, sluice_api: ControlPlane) -> None:
    (found,) = read(file)
    assert expectation(file) in refusal(sluice_api, "create", collection(found), found)


@pytest.mark.parametrize("file", files("accepted_updates"), ids=named)
def test_accepted_updates(file: Path, sluice_api: ControlPlane, namespace: str) -> None:
    path, after = create_first_of(file, sluice_api, namespace)
    assert kept(after["spec"], sluice_api.api.replace(path, after, **DRY_RUN)["spec"])


@pytest.mark.parametrize("file", files("rejected_updates"), ids=named)
def test_rejected_updates(file: Path, sluice_api: ControlPlane, namespace: str) -> None:
    path, after = create_first_of(file, sluice_api, namespace)
    assert expectation(file) in refusal(sluice_api, "replace", path, after)


def test_crds_are_installed_without_a_complaint(sluice_api: ControlPlane) -> None:
    for plural in PLURALS.values():
        crd = sluice_api.api.get(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{plural}.sluice.dev")
        conditions = {condition["type"]: condition["status"] for condition in crd["status"]["conditions"]}
        assert conditions == {"NamesAccepted": "True", "Established": "True"}  # NonStructuralSchema would be here


def test_kubectl_apply_says_what_is_wrong(sluice_api: ControlPlane) -> None:
    folder = Path(__file__).parent / "modelroute" / "rejected"
    with pytest.raises(KubectlFailed, match=r'unknown field "spec\.targets\[0\]\.wieght"'):
        sluice_api.kubectl("apply", "-f", folder / "target-with-a-misspelt-field.yaml")
    with pytest.raises(KubectlFailed, match="at least one weight must be above 0"):
        sluice_api.kubectl("apply", "-f", folder / "scores-that-are-all-zero.yaml")


@pytest.mark.parametrize("options", [[], ["--server-side"]], ids=["client-side", "server-side"])
def test_applying_again_changes_nothing(options: list[str], sluice_api: ControlPlane, namespace: str) -> None:
    files = [Path(__file__).parent / kind.lower() / "accepted" / "everything.yaml" for kind in PLURALS]
    command = [f"--namespace={namespace}", *options, *(part for file in files for part in ("-f", str(file)))]
    versions = ("get", "sluice", f"--namespace={namespace}", "-o", "jsonpath={.items[*].metadata.resourceVersion}")
    sluice_api.kubectl("apply", *command)
    before = sluice_api.kubectl(*versions)
    sluice_api.kubectl("apply", *command)
    assert sluice_api.kubectl(*versions) == before
    assert sluice_api.kubectl("diff", *command) == ""


def test_defaults_are_stored(sluice_api: ControlPlane, namespace: str) -> None:
    found = document("ModelRoute", "chat", {"models": ["chat"], "targets": [{"provider": "a"}]})
    spec = sluice_api.api.create(collection(found, namespace), found)["spec"]
    assert spec["strategy"] == "priority"
    assert spec["targets"] == [{"provider": "a", "weight": 1, "priority": 0}]
    read_again = sluice_api.api.get(f"{collection(found, namespace)}/chat")["spec"]
    assert read_again == spec


CONDITION = {"observedGeneration": 1, "lastTransitionTime": "2026-01-01T00:00:00Z", "message": "as it should be"}


@pytest.mark.parametrize(
    ("found", "status", "row"),
    [
        (
            document("ModelRoute", "chat", {"models": ["chat", "gpt-*"], "targets": [{"provider": "a"}]}),
            {"models": "chat,gpt-*", "programmed": "2/2 pods"},
            {"MODELS": "chat,gpt-*", "STRATEGY": "priority", "PROGRAMMED": "2/2 pods"},
        ),
        (
            document("ProviderPolicy", "openai", {"provider": "openai"}),
            {"programmed": "2/2 pods"},
            {"PROVIDER": "openai", "ENABLED": "true", "PROGRAMMED": "2/2 pods"},
        ),
        (
            document("CachePolicy", "answers", {"store": {"memory": {}}}),
            {"programmed": "2/2 pods", "store": "memory"},
            {"MODE": "exact", "STORE": "memory", "PROGRAMMED": "2/2 pods"},
        ),
    ],
    ids=["route", "provider", "cache"],
)
def test_columns(
    found: Document, status: Document, row: dict[str, str], sluice_api: ControlPlane, namespace: str
) -> None:
    path = f"{collection(found, namespace)}/{found['metadata']['name']}"
    sluice_api.api.create(collection(found, namespace), found)
    conditions = [
        {"type": "Accepted", "status": "True", "reason": "Accepted", **CONDITION},
        {"type": "Ready", "status": "True", "reason": "Programmed", **CONDITION},
    ]
    sluice_api.api.merge(f"{path}/status", {"status": {"conditions": conditions, **status}})
    shown = columns(sluice_api.kubectl("get", PLURALS[found["kind"]], f"--namespace={namespace}"))
    assert shown.pop("AGE")
    assert shown == {"NAME": found["metadata"]["name"], "ACCEPTED": "True", "REASON": "Programmed", **row}


def columns(table: str) -> dict[str, str]:
    """The only row of kubectl's table, by the head of each column; columns are parted by three spaces."""
    head, row = table.splitlines()
    starts = [head.index(name) for name in head.split()]
    return {
        head[start:end].strip(): row[start:end].strip() for start, end in zip(starts, [*starts[1:], None], strict=True)
    }


def test_all_kinds_answer_to_the_category_and_to_short_names(sluice_api: ControlPlane, namespace: str) -> None:
    found = document("ModelRoute", "chat", {"models": ["chat"]})
    sluice_api.api.create(collection(found, namespace), found)
    for name in ("sluice", "mroute", "modelroute"):
        assert "modelroute.sluice.dev/chat" in sluice_api.kubectl("get", name, f"--namespace={namespace}", "-o", "name")


@pytest.mark.parametrize(
    ("field", "texts"),
    [
        ("modelroute.spec.targets", ["provider\t<string> -required-", "weight\t<integer>"]),
        ("providerpolicy.spec.models.pricing", ["inputPerMillion\t<string>"]),
        ("cachepolicy.spec.store", ["memory\t<Object>", "external\t<Object>"]),
    ],
)
def test_explain(field: str, texts: list[str], sluice_api: ControlPlane) -> None:
    explained = sluice_api.kubectl("explain", field)
    assert [text for text in texts if text not in explained] == []
    assert "<no description>" not in explained


def test_status_is_written_by_itself(sluice_api: ControlPlane, namespace: str) -> None:
    """Who writes status can't change the spec, and the generation stays."""
    found = document("ModelRoute", "chat", {"models": ["chat"]})
    path = f"{collection(found, namespace)}/chat"
    sluice_api.api.create(collection(found, namespace), found)
    patched = sluice_api.api.merge(f"{path}/status", {"status": {"models": "chat"}, "spec": {"models": ["other"]}})
    assert (patched["spec"]["models"], patched["status"]["models"]) == (["chat"], "chat")
    assert patched["metadata"]["generation"] == 1
