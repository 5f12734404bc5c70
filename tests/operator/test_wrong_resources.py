"""What is wrong with one resource, key or name: told where its owner looks, and nobody else is disturbed."""

import base64
import itertools
import json
import random
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sluice_config.published import index_name
from sluice_config.resources import ResourceKey
from sluice_config.shards import shard_of
from tests.support.canary import CANARY
from tests.support.kubernetes_api import Document
from tests.support.operator import CREDENTIALS_RULES, OPERATOR_RULES, WRITER_RULES
from tests.support.pods import GATEWAY
from tests.support.site import Site, provider, route, secret

QUEUE = "sluice_operator_queue_depth"
BROKEN = [{"provider": "broken"}]


def test_a_missing_secret_is_told_and_found_once_it_is_there(site: Site):
    site.serve(secret(), provider(), route())
    site.apply(provider("groq"), route("fast", targets=[{"provider": "groq"}]))
    message = site.becomes("providerpolicies", "groq", "ResolvedRefs", "False", "SecretNotFound")
    assert f"Secret {site.namespace}/groq not found" in message
    site.becomes("modelroutes", "fast", "Ready", "False", "SecretNotFound")
    site.apply({**secret("groq"), "stringData": {"other": "value"}})
    site.becomes("providerpolicies", "groq", "ResolvedRefs", "False", "SecretKeyNotFound")
    site.apply(secret("groq"))
    site.becomes("modelroutes", "fast", "Ready", "True", "Programmed")
    assert site.condition("modelroutes", "chat")["reason"] == "Programmed"


def test_secrets_that_may_not_be_read_are_told_with_the_remedy(site: Site):
    site.gateway()
    site.start(credentials=False)
    site.apply(secret(), provider(), route(), provider("local", provider="mock", credentials=None))
    message = site.becomes("providerpolicies", "openai", "ResolvedRefs", "False", "SecretAccessDenied")
    account = f"{site.namespace}:sluice-operator"
    assert f"kubectl create rolebinding sluice-credentials --namespace={site.namespace}" in message
    assert message.endswith(f"--clusterrole=sluice-credentials --serviceaccount={account}")
    site.becomes("providerpolicies", "local", "Accepted", "True", "Accepted")
    site.grant("sluice-credentials", CREDENTIALS_RULES)
    site.becomes("modelroutes", "chat", "Ready", "True", "Programmed")


def test_two_routes_that_claim_one_model(site: Site):
    site.serve(secret(), provider(), route("first", "chat", "one"))
    site.apply(route("second", "chat", "two"), route("third", "chat"))
    message = site.becomes("modelroutes", "second", "Conflicted", "True", "Conflicted")
    assert "chat" in message
    assert site.condition("modelroutes", "second", "Accepted")["status"] == "True"
    site.becomes("modelroutes", "third", "Accepted", "False", "Conflicted")
    site.becomes("modelroutes", "second", "Programmed", "True", "Programmed")
    assert site.condition("modelroutes", "first", "Conflicted") == {}
    site.delete("modelroutes", "first")
    site.until(lambda: site.condition("modelroutes", "second", "Conflicted") == {}, "the name is free")
    assert site.get("modelroutes", "second")["status"]["models"] == "chat,two"


def test_an_object_of_somebody_else_under_our_name_is_left_alone(site: Site):
    theirs: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": index_name(GATEWAY)}}
    site.apply({**theirs, "data": {"index.json": "theirs"}})
    site.gateway()
    operator = site.start()
    site.apply(secret(), provider(), route("chat"), route("other"))
    message = site.becomes("modelroutes", "chat", "Accepted", "False", "NameTaken")
    assert f"ConfigMap {index_name(GATEWAY)}" in message
    site.becomes("modelroutes", "other", "Ready", "False", "NameTaken")
    assert site.get("configmaps", index_name(GATEWAY))["data"] == {"index.json": "theirs"}
    assert site.names("configmaps") | site.names("secrets") == set()
    assert site.events() == [("NameTaken", 1)]
    site.delete("configmaps", index_name(GATEWAY))
    site.becomes("modelroutes", "chat", "Ready", "True", "Programmed")
    assert "Deployment" not in operator.writes()


def test_a_right_to_list_pods_that_is_missing_is_told(site: Site, tmp_path: Path):
    """In one of two namespaces; the other one's pods are asked all the same."""
    with ExitStack() as stack:
        blind = Site(site.plane, site.plane.new_namespace(), tmp_path, stack)
        rules = [rule for rule in WRITER_RULES if rule["resources"] != ["pods"]]
        blind.grant("sluice-operator", [*OPERATOR_RULES, *rules, *CREDENTIALS_RULES], site.namespace)
        for place in (blind, site):
            place.gateway()
            place.apply(secret(), provider(), route())
        site.start(SLUICE_NAMESPACES=f"{site.namespace},{blind.namespace}")
        site.becomes("modelroutes", "chat", "Ready", "True", "Programmed")
        message = blind.becomes("modelroutes", "chat", "Programmed", "False", "Pending")
        assert message.startswith(f"0/0 pods; pods can't be found: GET pods {blind.namespace}: 403 ")


def test_a_key_that_is_too_large_keeps_only_its_provider_out(site: Site):
    site.serve(secret(), provider(), route())
    site.apply(secret("huge", "x" * 20_000), provider("huge"), route("slow", targets=[{"provider": "huge"}]))
    site.becomes("providerpolicies", "huge", "Accepted", "False", "TooLarge")
    site.becomes("modelroutes", "slow", "Ready", "False", "ProviderNotFound")
    assert site.condition("modelroutes", "chat")["status"] == "True"


def crowd(site: Site, count: int) -> dict[str, Document]:
    """Routes of one shard, as large as the API takes them, that can't be compressed by much."""
    names = (f"large-{number}" for number in itertools.count())
    together = (name for name in names if shard_of(ResourceKey("ModelRoute", site.namespace, name)) == 0)
    source = random.Random(7)

    def models() -> list[str]:
        return [base64.urlsafe_b64encode(source.randbytes(192)).decode() for _ in range(64)]

    return {
        name: route(name, *models(), targets=[{"provider": "openai", "model": model} for model in models()])
        for name in itertools.islice(together, count)
    }


def test_what_is_too_large_for_its_shard_keeps_only_itself_out(site: Site):
    operator = site.serve(secret(), provider(), route())
    large = crowd(site, 34)
    for name, document in large.items():
        site.plane.api.apply(site.path("modelroutes", name), document)

    def told() -> bool:
        refused = {name for name, reason in site.reasons("modelroutes", "Accepted").items() if reason == "TooLarge"}
        served = {name for name, reason in site.reasons("modelroutes", "Programmed").items() if reason == "Programmed"}
        return bool(refused) and refused == large.keys() - served and operator.metric(QUEUE) == 0

    site.until(told, "each is either served or said to be too large")
    served = {one.name for one in site.snapshot().routes}
    refused = sorted(large.keys() - served)
    assert 0 < len(refused) < 10
    assert served == {"chat", *large} - set(refused)
    assert "the configuration would not fit" in site.becomes("modelroutes", refused[0], "Accepted", "False", "TooLarge")
    assert site.condition("modelroutes", "chat")["reason"] == "Programmed"
    site.plane.api.apply(site.path("modelroutes", refused[0]), route(refused[0]))
    site.becomes("modelroutes", refused[0], "Ready", "True", "Programmed")


def test_a_configuration_that_a_pod_refuses(site: Site):
    site.serve(secret(), provider(), route("chat"))
    running = site.pods.answer(0)
    site.apply(route("new"))
    site.pods.answers[0] = running
    site.until(lambda: site.index().digest != running["digest"], "a new index")
    site.pods.answers[0] = running | {"refused": {"digest": site.index().digest, "reason": "no memory left"}}
    message = site.becomes("modelroutes", "new", "Programmed", "False", "Refused")
    assert message.startswith("1/2 pods; pod sluice-gateway-")
    assert message.endswith("refused the configuration: no memory left")
    assert site.condition("modelroutes", "chat")["status"] == "True"  # the pod still runs this one
    site.until(lambda: site.events() == [("ConfigurationRefused", 1)], "an Event")
    site.pods.answers.clear()
    site.becomes("modelroutes", "new", "Ready", "True", "Programmed")


def test_a_key_is_seen_nowhere_but_in_secrets(site: Site):
    value = "sk-" + CANARY * 2
    operator = site.serve(secret(value=value), provider(), route())
    site.apply({**secret(), "stringData": {"other": value}}, provider("broken"), route("broken", targets=BROKEN))
    site.becomes("providerpolicies", "broken", "ResolvedRefs", "False", "SecretNotFound")
    site.apply(secret("broken", "x" * 20_000 + CANARY))
    site.becomes("providerpolicies", "broken", "Accepted", "False", "TooLarge")
    kinds = ("configmaps", "events", "horizontalpodautoscalers", "modelroutes", "deployments")
    everything = [json.dumps(site.plane.api.get(site.path(kind))) for kind in kinds]
    everything += [operator.log.read_text(), operator.get("/metrics")[1], site.unpacked()]
    encoded = base64.b64encode(value.encode()).decode()
    for text in everything:
        assert CANARY not in text
        assert encoded not in text
