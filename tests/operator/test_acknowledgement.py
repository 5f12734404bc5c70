"""Asking pods: what they answer is input of a stranger, and may be anything."""

import asyncio
import io
import json
from typing import Any

import pytest

from sluice_operator.acknowledgement import Acknowledgements, Wanted, behind, is_ready, read, selector, url_of
from sluice_operator.kube import Api
from sluice_operator.status import Acknowledgement, Refusal
from sluice_operator.telemetry.log import make_logger
from tests.support.pods import GATEWAY
from tests.support.site import Site

WANTED = Wanted(GATEWAY, "D", "R")
RUNS = {"digest": "D", "credentialsRevision": "R"}
PATIENCE = 30.0


@pytest.mark.parametrize(
    ("answer", "understood"),
    [
        (RUNS, Acknowledgement("p", "D", "R")),
        (RUNS | {"refused": None, "more": 1}, Acknowledgement("p", "D", "R")),
        (
            RUNS | {"refused": {"digest": "E", "reason": "why"}},
            Acknowledgement("p", "D", "R", Refusal("E", "why")),
        ),
        ({"refused": {"digest": 7}}, Acknowledgement("p", None, None, Refusal(None, ""))),
        ({"digest": ["D"], "credentialsRevision": {}}, Acknowledgement("p")),
        ([], Acknowledgement("p")),
        (None, Acknowledgement("p")),
    ],
)
def test_what_is_not_as_it_should_be_counts_as_not_said(answer: Any, understood: Acknowledgement):
    assert read("p", answer) == understood


def test_a_text_without_end_is_cut():
    assert read("p", {"digest": "x" * 5000}).digest == "x" * 1000


def test_how_many_are_behind():
    pods = (Acknowledgement("a", "D", "R"), Acknowledgement("b", "D", "old"), Acknowledgement("c", "old", "R"))
    assert behind(pods, WANTED) == 2
    assert behind((), WANTED) == 0


def pod(**status: Any) -> dict[str, Any]:
    ports = [{"name": "http", "containerPort": 8080}]
    return {
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "gateway", "ports": ports}]},
        "status": {"podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": "True"}], **status},
    }


def test_which_pods_are_asked():
    assert is_ready(pod())
    assert not is_ready(pod(podIP=""))
    assert not is_ready(pod(conditions=[{"type": "Ready", "status": "False"}]))
    assert not is_ready(pod(conditions=None))
    assert not is_ready(pod() | {"metadata": {"name": "p", "deletionTimestamp": "2026-01-01T00:00:00Z"}})
    assert not is_ready({"metadata": {"name": "p"}})


def test_where_pods_are_asked():
    assert url_of(pod()) == "http://10.0.0.1:9090/internal/config"
    assert url_of(pod(podIP="fd00::1")) == "http://[fd00::1]:9090/internal/config"
    named = pod()
    named["spec"]["containers"].append({"name": "other", "ports": [{"name": "internal", "containerPort": 91}]})
    assert url_of(named) == "http://10.0.0.1:91/internal/config"
    assert selector({"spec": {"selector": {"matchLabels": {"b": "2", "a": "1"}}}}) == "a=1,b=2"
    expressions = [
        {"key": "a", "operator": "In", "values": ["1", "2"]},
        {"key": "b", "operator": "NotIn", "values": ["3"]},
        {"key": "c", "operator": "Exists"},
        {"key": "d", "operator": "DoesNotExist"},
    ]
    assert selector({"spec": {"selector": {"matchExpressions": expressions}}}) == "a in (1,2),b notin (3),c,!d"


class Asked:
    """Acknowledgements at work, and what they say."""

    def __init__(self, kube: Api, site: Site) -> None:
        self.key = (site.namespace, GATEWAY)
        self.news = asyncio.Event()
        self.log = io.BytesIO()
        self.acknowledgements = Acknowledgements(
            kube, asyncio.get_running_loop().time, asyncio.sleep, lambda _: self.news.set(), make_logger(self.log)
        )

    async def says(self, *pods: tuple[str | None, str | None]) -> None:
        """Wait until the pods have said so."""
        async with asyncio.timeout(PATIENCE):
            while self.said() != list(pods):
                self.news.clear()
                await self.news.wait()

    def said(self) -> list[tuple[str | None, str | None]] | None:
        found = self.acknowledgements.said(self.key)
        return None if found is None else [(pod.digest, pod.credentials_revision) for pod in found]


async def test_pods_are_asked_until_they_agree_and_when_told_to(kube: Api, site: Site):
    asked = Asked(kube, site)
    running = asyncio.create_task(asked.acknowledgements.run())
    site.pods.answers = {0: RUNS, 1: {"digest": "old"}}
    await asyncio.to_thread(site.gateway)
    assert (asked.said(), asked.acknowledgements.behind(asked.key)) == (None, None)
    asked.acknowledgements.expect(asked.key, WANTED)
    await asked.says(("D", "R"), ("old", None))
    assert asked.acknowledgements.behind(asked.key) == 1
    site.pods.answers[1] = RUNS
    await asked.says(("D", "R"), ("D", "R"))
    assert asked.acknowledgements.behind(asked.key) == 0
    site.pods.answers[0] = RUNS | {"credentialsRevision": "S"}
    asked.acknowledgements.look(asked.key)  # else it would take ten seconds
    await asked.says(("D", "S"), ("D", "R"))
    asked.acknowledgements.forget(asked.key)
    assert asked.said() is None
    asked.acknowledgements.look(asked.key)
    running.cancel()
    await asyncio.wait({running})


@pytest.mark.parametrize(
    "answer", [b"", b"{", b"[" * 100_000, b'"text"', b"\xff", b'{"digest": "\xff"}', b" " * 5_000_000 + b"{}"]
)
async def test_a_pod_that_talks_nonsense_holds_up_no_other(kube: Api, site: Site, answer: bytes):
    asked = Asked(kube, site)
    site.pods.answers = {0: answer, 1: RUNS}
    await asyncio.to_thread(site.gateway)
    running = asyncio.create_task(asked.acknowledgements.run())
    asked.acknowledgements.expect(asked.key, WANTED)
    await asked.says((None, None), ("D", "R"))
    running.cancel()
    await asyncio.wait({running})


async def test_what_a_pod_said_stands_while_it_does_not_answer(kube: Api, site: Site):
    """Else every status would flap whenever a pod is slow."""
    asked = Asked(kube, site)
    site.pods.answers = {0: RUNS, 1: RUNS}
    await asyncio.to_thread(site.gateway)
    running = asyncio.create_task(asked.acknowledgements.run())
    asked.acknowledgements.expect(asked.key, WANTED)
    await asked.says(("D", "R"), ("D", "R"))
    site.pods.answers = {0: b"{", 1: {"digest": "E", "credentialsRevision": "R"}}
    asked.acknowledgements.look(asked.key)
    await asked.says(("D", "R"), ("E", "R"))
    running.cancel()
    await asyncio.wait({running})


async def test_pods_that_cannot_be_found_are_told_and_waited_for_no_more(kube: Api, site: Site):
    """Here, for want of a Deployment. Else one such gateway would keep every status from being written."""
    asked = Asked(kube, site)
    running = asyncio.create_task(asked.acknowledgements.run())
    asked.acknowledgements.expect(asked.key, WANTED)
    await asked.says()
    assert asked.acknowledgements.failure(asked.key).startswith(f"GET deployments {site.namespace}/{GATEWAY}: 404")
    assert asked.acknowledgements.behind(asked.key) is None  # so that nothing is deleted that they may need
    [line] = map(json.loads, asked.log.getvalue().splitlines())
    assert (line["event"], line["reason"]) == ("pods not asked", "NotFound")
    site.pods.answers = {0: RUNS, 1: RUNS}
    await asyncio.to_thread(site.gateway)
    asked.acknowledgements.look(asked.key)
    await asked.says(("D", "R"), ("D", "R"))
    assert asked.acknowledgements.failure(asked.key) == ""
    assert asked.acknowledgements.behind(asked.key) == 0
    running.cancel()
    await asyncio.wait({running})
