"""What is said of the operator is what the API server has counted, and what users are told."""

import asyncio
from typing import Any

import pytest

from bench.acknowledged import Acknowledged
from bench.api_traffic import Traffic

METRICS = """\
# TYPE apiserver_request_total counter
apiserver_request_total{code="200",resource="modelroutes",subresource="status",verb="APPLY"} 1000
apiserver_request_total{code="409",resource="modelroutes",subresource="status",verb="APPLY"} 1
apiserver_request_total{code="201",resource="configmaps",subresource="",verb="APPLY"} 2
apiserver_request_total{code="200",resource="configmaps",subresource="",verb="GET"} 50
apiserver_request_total{code="200",resource="leases",subresource="",verb="PUT"} 70
apiserver_request_total{code="200",resource="",subresource="",verb="GET"} 9
apiserver_request_body_size_bytes_sum{group="",resource="configmaps",verb="patch"} 1.5e+06
apiserver_request_body_size_bytes_sum{group="coordination.k8s.io",resource="leases",verb="update"} 700
apiserver_response_sizes_sum{resource="configmaps",subresource="",verb="GET"} 4096
apiserver_response_sizes_count{resource="configmaps",subresource="",verb="GET"} 50
"""


def route(generation: int, *, status: str = "True", pods: str = "3/3 pods") -> dict[str, Any]:
    condition = {"type": "Programmed", "status": status, "observedGeneration": generation}
    return {"metadata": {"name": "chat"}, "status": {"programmed": pods, "conditions": [condition]}}


def test_refused_writes_count_and_those_of_leases_do_not() -> None:
    traffic = Traffic.parse(METRICS)
    assert traffic.writes == {"modelroutes/status": 1001, "configmaps": 2}
    assert (traffic.written_bytes, traffic.read_bytes) == ({"configmaps": 1_500_000}, {"configmaps": 4096})


def test_what_did_not_change_is_no_traffic() -> None:
    later = Traffic.parse(METRICS.replace('verb="APPLY"} 2', 'verb="APPLY"} 5'))
    assert (later - Traffic.parse(METRICS)).writes == {"configmaps": 3}
    assert (later - later) == Traffic()


@pytest.mark.parametrize("said", [{"metadata": {"name": "chat"}}, route(2, status="False"), route(2, pods="2/2 pods")])
def test_a_route_is_acknowledged_only_by_all_pods(said: dict[str, Any]) -> None:
    acknowledged = Acknowledged(3)
    acknowledged.take(route(1))
    acknowledged.take(said)
    assert acknowledged.generations == {"chat": 1}


async def test_a_generation_is_waited_for() -> None:
    acknowledged = Acknowledged(3)
    acknowledged.take(route(1))
    waiting = asyncio.create_task(acknowledged.of("chat", 2, 5))
    await asyncio.sleep(0)
    assert not waiting.done()
    acknowledged.take(route(2))
    await waiting
