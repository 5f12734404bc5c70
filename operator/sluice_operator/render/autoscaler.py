"""How many pods a gateway has: one HorizontalPodAutoscaler, merged from what its routes ask for."""

from collections.abc import Iterable

from sluice_config.published import AUTOSCALING
from sluice_config.resources import ModelRoute
from sluice_config.resources.model_route import Autoscaling
from sluice_operator.render.gateway import GatewayObject, Object, metadata

OFF = "off"
"""The annotation's value that leaves the number of pods to somebody else."""
IN_FLIGHT = "sluice_in_flight_requests"
"""The gateway's metric of requests at the same time; a metrics adapter has to serve it to the autoscaler."""
TOKENS_PER_SECOND = "sluice_tokens_per_second"
"""What a metrics adapter has to make of the gateway's counter sluice_tokens_total."""

_STABLE_SECONDS = 300
_STEP_SECONDS = 60


def merged(routes: Iterable[ModelRoute]) -> Autoscaling:
    """The largest minimum, the largest maximum and the lowest targets that routes ask for; the defaults if none does.

    A route that says nothing asks for nothing: its defaults do not widen what others ask for.
    """
    asked = [route.spec.autoscaling for route in routes if "autoscaling" in route.spec.model_fields_set]
    if not asked:
        return Autoscaling()
    return Autoscaling(
        min_replicas=max(one.min_replicas for one in asked),
        max_replicas=max(one.max_replicas for one in asked),
        cpu_percent=min(one.cpu_percent for one in asked),
        in_flight_per_pod=_lowest(one.in_flight_per_pod for one in asked),
        tokens_per_second_per_pod=_lowest(one.tokens_per_second_per_pod for one in asked),
    )


def autoscaler(gateway: GatewayObject, asked: Autoscaling) -> Object | None:
    """The gateway's autoscaler; None when its Deployment says that it has none.

    Pods go one a minute, and only after five quiet minutes: each of them ends its streams first. How fast they come is
    the controller's own default.
    """
    if gateway.annotations.get(AUTOSCALING) == OFF:
        return None
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(gateway, gateway.name),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": gateway.deployment},
            "minReplicas": asked.min_replicas,
            "maxReplicas": asked.max_replicas,
            "metrics": _metrics(asked),
            "behavior": {
                "scaleDown": {
                    "stabilizationWindowSeconds": _STABLE_SECONDS,
                    "selectPolicy": "Max",
                    "policies": [{"type": "Pods", "value": 1, "periodSeconds": _STEP_SECONDS}],
                }
            },
        },
    }


def _metrics(asked: Autoscaling) -> list[Object]:
    """In the API server's own order: CPU is last whenever an object has gone through autoscaling/v1."""
    per_pod = ((IN_FLIGHT, asked.in_flight_per_pod), (TOKENS_PER_SECOND, asked.tokens_per_second_per_pod))
    pods = [
        {
            "type": "Pods",
            "pods": {"metric": {"name": name}, "target": {"type": "AverageValue", "averageValue": _quantity(value)}},
        }
        for name, value in per_pod
        if value is not None
    ]
    target = {"type": "Utilization", "averageUtilization": asked.cpu_percent}
    return [*pods, {"type": "Resource", "resource": {"name": "cpu", "target": target}}]


def _quantity(value: int) -> str:
    """As the API server writes it back: the largest suffix that leaves an integer."""
    for suffix in ("", "k", "M", "G"):
        if value % 1000:
            return f"{value}{suffix}"
        value //= 1000
    raise ValueError("no such number of requests or tokens")


def _lowest(values: Iterable[int | None]) -> int | None:
    return min((value for value in values if value is not None), default=None)
