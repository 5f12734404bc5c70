"""parse_resource: what people read when a document is wrong, and what hostile documents cannot do."""

from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from sluice_config.resources import InvalidResource, ModelRoute, Problem, ProviderPolicy, parse_resource
from sluice_config.resources.problems import MOST_PROBLEMS
from tests.support.resources import Document, document

CANARY = "sk-canary-8f3a1c"
UNQUOTED = ", got a boolean: YAML reads on, off, yes, no, y and n as such, so quote them"


def problems(found: Document) -> list[str]:
    with pytest.raises(InvalidResource) as caught:
        parse_resource(found)
    return [str(problem) for problem in caught.value.problems]


def route_problems(**spec: Any) -> list[str]:
    return problems(document("ModelRoute", "chat", {"models": ["chat"], **spec}))


def provider_problems(**spec: Any) -> list[str]:
    return problems(document("ProviderPolicy", "openai", {"provider": "openai", **spec}))


def test_unknown_field_with_a_guess() -> None:
    assert route_problems(targets=[{"provider": "a", "wieght": 1}]) == [
        "spec.targets[0].wieght: unknown field; did you mean weight?"
    ]


def test_unknown_field_in_another_case() -> None:
    assert provider_problems(base_url="https://example.com") == ["spec.base_url: unknown field; did you mean baseURL?"]


def test_unknown_field_without_a_guess_lists_the_known_ones() -> None:
    assert route_problems(fallback={"zzz": 1}) == ["spec.fallback.zzz: unknown field; known are enabled, maxTargets"]


def test_unknown_field_among_many_known_ones() -> None:
    assert provider_problems(zzz=1) == ["spec.zzz: unknown field"]


@pytest.mark.parametrize(
    ("value", "got"),
    [
        ("600", "got a string"),
        (0, "got 0"),
        (86_401, "got 86401"),
        (1.5, "got a number"),
        (True, "got a boolean"),
        ([1], "got a list"),
        ({}, "got an object"),
    ],
)
def test_wrong_integer(value: object, got: str) -> None:
    assert route_problems(timeouts={"totalSeconds": value}) == [
        f"spec.timeouts.totalSeconds: must be an integer between 1 and 86400, {got}"
    ]


def test_an_integer_of_any_length_is_not_printed() -> None:
    assert route_problems(timeouts={"totalSeconds": 10**5000}) == [
        "spec.timeouts.totalSeconds: must be an integer between 1 and 86400"
    ]


def test_wrong_choice_with_a_guess() -> None:
    assert route_problems(stickiness="Conversations") == [
        "spec.stickiness: must be one of none, conversation; did you mean conversation?"
    ]


def test_an_unquoted_off_is_explained() -> None:
    (found,) = problems(document("CachePolicy", "a", {"mode": False, "store": {"memory": {}}}))
    assert found.endswith(UNQUOTED)


def test_price_as_a_number() -> None:
    assert provider_problems(models=[{"name": "a", "pricing": {"inputPerMillion": 0.15}}]) == [
        'spec.models[0].pricing.inputPerMillion: must be a decimal in quotes, such as "0.15", got a number'
    ]


def test_text_that_is_too_long() -> None:
    (found,) = provider_problems(models=[{"name": "a" * 257}])
    assert found.endswith("with 256 characters at most: got 257")


def test_text_that_is_empty() -> None:
    (found,) = route_problems(models=[""])
    assert found.endswith("got an empty string")


def test_missing_field() -> None:
    assert route_problems(limits=[{"name": "a", "concurrent": 1}]) == [
        "spec.limits[0].per: is required: one of route, consumer"
    ]


def test_too_many_items() -> None:
    assert route_problems(targets=[{"provider": "a"}] * 65) == ["spec.targets: must be a list of 0 to 64 items, got 65"]


def test_repeated_item() -> None:
    assert provider_problems(models=[{"name": "a"}, {"name": "b"}, {"name": "a"}]) == [
        "spec.models: items must differ: [2] has the name of [0]"
    ]
    assert route_problems(models=["a", "a"]) == ["spec.models: items must differ: [1] repeats [0]"]


def test_broken_rule_blames_its_field() -> None:
    assert route_problems(autoscaling={"minReplicas": 20}) == [
        "spec.autoscaling.minReplicas: minReplicas must not exceed maxReplicas (unless set, they are 2 and 10)"
    ]


def test_wrong_metadata() -> None:
    assert problems(document("ModelRoute", "Chat", {"models": ["chat"]})) == [
        "metadata.name: must be an object's name: lower-case letters, digits, hyphens and dots, 253 characters at most"
    ]


def test_wrong_annotations_and_timestamp() -> None:
    found = document("ModelRoute", "a", {"models": ["a"]}, annotations={"a/b": True}, creationTimestamp=5)
    assert problems(found) == [
        "metadata.creationTimestamp: must be a string, got an integer",
        f"metadata.annotations.'a/b': must be a string{UNQUOTED}",
    ]


def test_wrong_kind_and_version() -> None:
    assert problems({"apiVersion": "sluice.dev/v1", "kind": "ModelRoute"}) == [
        "apiVersion: must be sluice.dev/v1alpha1"
    ]
    assert problems({"apiVersion": "sluice.dev/v1alpha1", "kind": ["x"]}) == [
        "kind: must be one of ModelRoute, ProviderPolicy, CachePolicy"
    ]


def test_unknown_field_beside_the_spec() -> None:
    found = document("ModelRoute", "chat", {"models": ["chat"]}) | {"specs": {}}
    assert problems(found) == ["specs: unknown field; did you mean spec?"]


def test_many_mistakes_are_counted_not_listed() -> None:
    found = provider_problems(models=[{"name": " "}] * 30)
    assert len(found) == MOST_PROBLEMS + 1
    assert found[-1] == "and 10 more mistakes"


def test_a_problem_without_a_field() -> None:
    assert str(Problem("", "wrong")) == "wrong"


def test_nulls_are_absent_fields() -> None:
    resource = parse_resource(
        document(
            "ModelRoute", "chat", {"models": ["chat"], "timeouts": None, "targets": [{"provider": "a", "model": None}]}
        )
    )
    assert isinstance(resource, ModelRoute)
    assert resource.spec.model_fields_set == {"models", "targets"}
    assert resource.spec.targets[0].model is None


def test_what_is_no_field_of_ours_in_metadata_is_ignored() -> None:
    resource = parse_resource(
        document("ModelRoute", "chat", {"models": ["a"]}, labels={"a": "b"}, uid="1", managedFields=[])
    )
    assert str(resource.key) == "ModelRoute/default/chat"


def test_status_is_not_read() -> None:
    assert parse_resource(document("ModelRoute", "chat", {"models": ["a"]}) | {"status": {"conditions": "nonsense"}})


@pytest.mark.parametrize("written", ["2026-01-02T03:04:05Z", '"2026-01-02T03:04:05Z"', "2026-01-02T05:04:05+02:00"])
def test_creation_timestamps_are_text_in_utc(written: str) -> None:
    stamp = yaml.safe_load(written)
    resource = parse_resource(document("ModelRoute", "chat", {"models": ["a"]}, creationTimestamp=stamp))
    assert resource.metadata.creation_timestamp == "2026-01-02T03:04:05Z"


def test_a_timestamp_without_zone_is_utc() -> None:
    stamp = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).replace(tzinfo=None)
    resource = parse_resource(document("ModelRoute", "chat", {"models": ["a"]}, creationTimestamp=stamp))
    assert resource.metadata.creation_timestamp == "2026-01-02T03:04:05Z"


def test_resources_cannot_be_changed() -> None:
    resource = parse_resource(document("ModelRoute", "chat", {"models": ["a"]}))
    field = "name"
    with pytest.raises(ValueError, match="frozen"):
        setattr(resource.metadata, field, "other")


@pytest.mark.parametrize(
    "spec",
    [
        {"provider": CANARY},
        {"provider": "openai", "baseURL": f"https://{CANARY}@example.com"},
        {"provider": "openai", "credentials": CANARY},
        {"provider": "openai", "credentials": {"secretRef": {"name": f"{CANARY}!", "key": f"{CANARY} "}}},
        {"provider": "openai", "headers": [{"name": "x-a", "value": f"{CANARY}\n"}]},
        {"provider": "openai", "headers": [{"name": "authorization", "value": f"Bearer {CANARY}"}]},
        {"provider": "openai", "headers": {"x-a": CANARY}},
        {"provider": "openai", "models": [{"name": "a", "description": f"{CANARY}\x00"}]},
        {"provider": "openai", "timeouts": {"totalSeconds": CANARY}},
        {"provider": "openai", "openai": {"organization": f"{CANARY} "}},
        CANARY,
        [CANARY],
    ],
)
def test_values_are_never_repeated(spec: object) -> None:
    with pytest.raises(InvalidResource) as caught:
        parse_resource({**document("ProviderPolicy", "a", {}), "spec": spec})
    shown = f"{caught.value!r} {caught.value} {caught.value.problems} {caught.value.__cause__!r}"
    assert CANARY not in shown
    assert caught.value.__suppress_context__


def test_a_field_name_that_is_no_word_is_quoted_and_cut() -> None:
    (found,) = provider_problems(**{"\x1b[31m" + "x" * 100: 1})
    assert found == "spec.'\\x1b[31m" + "x" * 59 + "': unknown field"


def test_a_field_name_with_a_hyphen_is_a_word() -> None:
    amounts = {"ephemeral-storage": 1}
    (found,) = problems(document("CachePolicy", "a", {"store": {"managed": {"resources": {"limits": amounts}}}}))
    assert found.startswith(
        "spec.store.managed.resources.limits.ephemeral-storage: must be a whole Kubernetes quantity"
    )


def test_field_names_that_are_not_text() -> None:
    spec: dict[Any, Any] = {"provider": "openai", True: 1}  # YAML's reading of "on"
    assert problems(document("ProviderPolicy", "a", spec)) == ["spec: field names must be strings"]


def test_aliases_that_unfold_without_end_are_refused_at_once() -> None:
    laughs: list[Any] = ["lol"]
    for _ in range(100):
        laughs = [laughs] * 100
    found = route_problems(targets=laughs)
    assert found[0] == "spec.targets[0]: must be an object with fields, got a list"
    assert len(found) == MOST_PROBLEMS + 1


def test_a_document_that_holds_itself_is_refused() -> None:
    spec: Document = {"models": ["chat"]}
    spec["fallback"] = spec
    assert route_problems(**spec) == [
        f"spec.fallback.{name}: unknown field; known are enabled, maxTargets" for name in ("models", "fallback")
    ]


def test_deep_nesting_is_refused() -> None:
    deep: Any = {}
    for _ in range(50_000):
        deep = {"a": deep}
    assert route_problems(fallback=deep) == ["spec.fallback.a: unknown field; known are enabled, maxTargets"]


def test_documents_are_read_by_their_own_names_only() -> None:
    policy = parse_resource(
        document("ProviderPolicy", "a", {"provider": "openai", "baseURL": "https://example.com/v1"})
    )
    assert isinstance(policy, ProviderPolicy)
    assert policy.spec.base_url == "https://example.com/v1"
