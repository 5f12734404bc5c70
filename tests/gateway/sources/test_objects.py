"""Documents to objects: Sluice's kinds, Secrets and ConfigMaps are read, the rest of a GitOps folder is passed over."""

import base64

import pytest

from sluice_config.findings import Level
from sluice_gateway.sources.objects import ConfigMapData, Object, SecretData, read_piece
from tests.support.canary import CANARY

ROUTE = "apiVersion: sluice.dev/v1alpha1\nkind: ModelRoute\nmetadata: {name: chat}\nspec: {models: [chat]}\n"
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: openai}\n"


def objects(text: str) -> tuple[Object, ...]:
    piece = read_piece(text)
    assert not piece.remarks
    return piece.objects


def remarks(text: str) -> list[tuple[int, Level, str]]:
    """Line, level and "resource: field: message" of each remark."""
    piece = read_piece(text)
    assert not piece.objects
    found = []
    for remark in piece.remarks:
        finding = remark.finding
        said = ": ".join(filter(None, (str(finding.resource or ""), finding.field, finding.message)))
        found.append((remark.line, finding.level, said))
    return found


def values_of(text: str) -> dict[str, str]:
    content = objects(text)[0].content
    assert isinstance(content, SecretData)
    return {key: secret.reveal() for key, secret in content.values.items()}


def test_a_resource_of_ours() -> None:
    (found,) = objects(ROUTE)
    assert str(found.key) == "ModelRoute/default/chat"
    assert found.line("spec.models[0]") == 4


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}",
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: x}",
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml]",
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nspec: {group: sluice.dev}",
        "apiVersion: v1\nkind: List\nitems: []",
    ],
)
def test_what_is_not_ours_is_passed_over_in_silence(text: str) -> None:
    assert objects(text) == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("replicaCount: 1\nimage: {tag: x}", "no Kubernetes object, since it lacks apiVersion or kind: ignored"),
        ("apiVersion: v2\nname: chart", "no Kubernetes object, since it lacks apiVersion or kind: ignored"),
        ("- hosts: all", "a list is no Kubernetes object: ignored"),
        ("apiVersion: example.com/v1\nkind: ModelRoute", "not of the API group sluice.dev: ignored"),
        (
            SECRET + "data: {api-key: 'ENC[AES256_GCM,x]'}\nsops: {}",
            "Secret/default/openai: encrypted by sops: ignored",
        ),
    ],
)
def test_what_may_be_meant_for_others_is_mentioned(text: str, said: str) -> None:
    assert remarks(text) == [(1, Level.INFO, said)]


def test_a_slip_in_the_group_is_an_error() -> None:
    [(_, level, said)] = remarks("apiVersion: sluce.dev/v1alpha1\nkind: ModelRoute\nmetadata: {name: chat}")
    assert level is Level.ERROR
    assert "did you mean sluice.dev/v1alpha1?" in said


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (
            "apiVersion: sluice.dev/v1alpha1\nkind: Gateway",
            2,
            "kind: must be one of ModelRoute, ProviderPolicy, CachePolicy",
        ),
        (
            "apiVersion: sluice.dev/v1alpha1\nmetadata: {name: x}",
            1,
            "kind: must be one of ModelRoute, ProviderPolicy, CachePolicy",
        ),
        ("kind: ModelRoute\nmetadata: {name: x}", 1, "ModelRoute/default/x: apiVersion: must be sluice.dev/v1alpha1"),
        (ROUTE.replace("v1alpha1", "v2"), 1, "ModelRoute/default/chat: apiVersion: must be sluice.dev/v1alpha1"),
        (
            ROUTE.replace("models", "modles"),
            4,
            "ModelRoute/default/chat: spec.modles: unknown field; did you mean models?",
        ),
        ("just text", 1, "this is no Kubernetes object: it has no fields"),
        ("12", 1, "this is no Kubernetes object: it has no fields"),
        (
            SECRET.replace("{name: openai}", "{}"),
            3,
            "metadata.name: is required: lower-case letters, digits, hyphens and dots",
        ),
        (SECRET.replace("openai", "7"), 3, "metadata.name: is required: lower-case letters, digits, hyphens and dots"),
        (SECRET + "data: text", 4, "Secret/default/openai: data: must be an object with fields"),
        (SECRET + "data:\n  a: 1", 5, "Secret/default/openai: data.a: must be base64 text"),
        (SECRET + f"data:\n  b: ok==\n  a: {CANARY}", 6, "Secret/default/openai: data.a: must be base64 text"),
        (SECRET + "stringData: {a: 12}", 4, "Secret/default/openai: stringData.a: must be a string: quote it"),
        (
            SECRET + "data: {'a b': eA==}",
            4,
            "Secret/default/openai: data: keys must be letters, digits, hyphens, underscores and dots",
        ),
        ("a: [", 1, "not YAML: did not find expected node content while parsing a flow node"),
    ],
)
def test_mistakes_have_line_resource_field_and_reason(text: str, line: int, said: str) -> None:
    assert (line, Level.ERROR, said) in remarks(text)
    assert CANARY not in repr(read_piece(text))


def test_each_mistake_of_a_resource_is_told() -> None:
    text = ROUTE.replace("{models: [chat]}", "\n  strategy: best\n  models: [chat]\n  limit: 1")
    assert [line for line, _, _ in remarks(text)] == [7, 5] or [line for line, _, _ in remarks(text)] == [5, 7]


@pytest.mark.parametrize("name", ["\\e[31mred", "a\\nb", "x" * 300, "UPPER"])
def test_names_that_no_terminal_should_see_are_left_out(name: str) -> None:
    piece = read_piece(ROUTE.replace("name: chat", f'name: "{name}"'))
    assert piece.remarks
    assert all(remark.finding.resource is None for remark in piece.remarks)


def test_a_list_holds_objects() -> None:
    text = f"""\
apiVersion: v1
kind: List
items:
- {{apiVersion: v1, kind: ConfigMap, metadata: {{name: a}}}}
- apiVersion: v1
  kind: List
  items:
  - apiVersion: v1
    kind: Secret
    metadata: {{name: b, namespace: team}}
    stringData:
      key: {CANARY}
-
"""
    first, second = objects(text)
    assert (str(first.key), first.line("data"), first.path) == ("ConfigMap/default/a", 4, "items[0]")
    assert (str(second.key), second.line("stringData.key")) == ("Secret/team/b", 12)


def test_mistakes_in_a_list_are_at_their_own_line() -> None:
    secret = "apiVersion: v1\n  kind: Secret\n  metadata: {name: b}\n  data:\n    a: 1\n"
    text = f"apiVersion: v1\nkind: List\nitems:\n- {secret}"
    assert remarks(text) == [(8, Level.ERROR, "Secret/default/b: data.a: must be base64 text")]


def test_secrets_are_decoded() -> None:
    encoded = base64.b64encode(b"from data\n").decode()
    text = (
        SECRET + f"data:\n  a: {encoded}\n  b: |\n    {encoded[:4]}\n    {encoded[4:]}\n  c:\nstringData:\n  d: plain\n"
    )
    assert values_of(text) == {"a": "from data\n", "b": "from data\n", "c": "", "d": "plain"}


def test_string_data_wins() -> None:
    (found,) = objects(SECRET + "stringData: {a: new}\ndata: {a: b2xk}\n")
    assert isinstance(found.content, SecretData)
    assert found.content.values["a"].reveal() == "new"
    assert found.content.fields["a"] == "stringData.a"


def test_a_secret_may_hold_bytes() -> None:
    text = SECRET + f"data: {{a: {base64.b64encode(bytes(range(256))).decode()}}}"
    assert list(values_of(text)) == ["a"]


def test_a_secret_is_never_shown() -> None:
    text = SECRET + f"data: {{a: {base64.b64encode(CANARY.encode()).decode()}}}\nstringData: {{b: {CANARY}}}"
    shown = repr(read_piece(text))
    assert CANARY not in shown
    assert base64.b64encode(CANARY.encode()).decode() not in shown


def test_of_config_maps_only_the_keys_are_kept() -> None:
    (found,) = objects("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: text}\nbinaryData: {y: eA==}\n")
    assert found.content == ConfigMapData(frozenset({"x", "true"}))
