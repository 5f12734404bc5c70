"""The status of every resource: what compile found, and what the gateways' pods say they run.

A resource is programmed when each Ready pod of its gateway has loaded a configuration in which this resource is what it
should be. Other resources' changes do not matter to it: a change of one route rewrites one status, not all.
"""

import hashlib
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sluice_config.codec import canonical
from sluice_config.compile import ByGateway, Compiled, Gateway, Resources, compile_resources
from sluice_config.conditions import Condition, Conditions, condition, conditions_of
from sluice_config.resources import CachePolicy, ResourceKey
from sluice_config.snapshot import Cache, Provider, Route, Snapshot
from sluice_operator.targets import Trouble, by_resource, standing, targets_condition

Status = dict[str, Any]
"""A resource's whole status, as its JSON has it."""

Parts = Mapping[ResourceKey, bytes]
"""What a snapshot says about each resource, as a digest."""

OWN_TYPES = frozenset({"Accepted", "ResolvedRefs", "Conflicted", "Programmed", "TargetsHealthy", "StoreReady", "Ready"})
"""The types of conditions that are ours; others in a status are somebody else's and are not looked at."""

_LONGEST_REASON = 500


@dataclass(frozen=True, slots=True)
class Refusal:
    """A configuration that a pod did not take. `digest` is None when the pod could not even read it."""

    digest: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What one Ready pod says. `digest` is None when it has loaded nothing, or did not answer."""

    pod: str
    digest: str | None = None
    credentials_revision: str | None = None
    refused: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Deployed:
    """One gateway: what it should run, and what its Ready pods run.

    `known` has the parts of recent snapshots by digest: with it, a pod that still runs the previous one counts for all
    resources that have not changed since. `taken` says which object of somebody else is in the way, when one is;
    `unwritten` why the configuration could not be written, when it could not; `unasked` why pods could not be found;
    `troubles` what its pods report of targets, and `reporting` how many of them have reported.
    """

    gateway: Gateway
    compiled: Compiled
    digest: str
    credentials_revision: str
    pods: Sequence[Acknowledgement] = ()
    known: Mapping[str, Parts] = field(default_factory=dict)
    taken: str = ""
    unwritten: str = ""
    unasked: str = ""
    troubles: Sequence[Trouble] = ()
    reporting: int = 0


@dataclass(frozen=True, slots=True)
class Subject:
    """A resource as it is in the API server, whether or not it can be read: what its status is now."""

    key: ResourceKey
    generation: int
    status: Status | None = None
    resource_version: str = ""


def parts_of(snapshot: Snapshot) -> Parts:
    """What the snapshot says about each resource. A route without targets changes with who could answer for it."""
    offering: dict[str, list[str]] = {}
    for provider in snapshot.providers:
        offering.setdefault(provider.namespace, []).append(provider.name)
    every: tuple[Route | Provider | Cache, ...] = (*snapshot.routes, *snapshot.providers, *snapshot.caches)
    return {part.key: _fingerprint(part, offering) for part in every}


class Told(NamedTuple):
    """What has to be written: the whole status of each resource whose status has to change, none that is right.

    `late` are the resources whose targets are to be told of, but not yet.
    """

    statuses: dict[ResourceKey, Status]
    late: frozenset[ResourceKey]


def statuses(
    subjects: Iterable[Subject],
    resources: Resources,
    deployed: Sequence[Deployed],
    now: datetime,
    held: Container[ResourceKey] = frozenset(),
) -> Told:
    """The statuses that have to change.

    `resources` is what all gateways were compiled from, each from its own part. `now` becomes the transition time of
    conditions whose status changes. What is said of the targets of those that are `held` stays as it is.
    """
    parts = ByGateway(resources)
    views = [_View(one, conditions_of(one.compiled, parts.of(one.gateway))) for one in deployed]
    views.append(_nowhere(parts.of_none(one.gateway for one in deployed)))
    seen: dict[ResourceKey, list[_View]] = defaultdict(list)
    for view in views:
        for key in view.conditions:
            seen[key].append(view)
    stores = {cache.key: _store(cache) for cache in resources.caches}
    told: dict[ResourceKey, Status] = {}
    late = set()
    for subject in subjects:
        before = standing(subject.status)
        targets = _targets(subject.key, seen[subject.key], before)
        if targets != before and subject.key in held:
            late.add(subject.key)
            targets = before
        status = _status(subject, seen[subject.key], stores.get(subject.key), targets, now)
        if not _equal(status, subject.status or {}):
            told[subject.key] = status
    return Told(told, frozenset(late))


class _View:
    """One gateway's view of all resources."""

    def __init__(self, deployed: Deployed, conditions: Mapping[ResourceKey, Conditions]) -> None:
        self.deployed = deployed
        self.conditions = conditions
        snapshot = deployed.compiled.snapshot
        self.models = {route.key: ",".join(route.models) for route in snapshot.routes}
        self.parts = deployed.known.get(deployed.digest) or parts_of(snapshot)
        self.with_credentials = {provider.key for provider in snapshot.providers if provider.credentials}
        self.troubles = by_resource(deployed.troubles, self.parts)

    def runs(self, pod: Acknowledgement, key: ResourceKey) -> bool:
        """Whether the pod runs the resource as it should be."""
        deployed = self.deployed
        if key in self.with_credentials and pod.credentials_revision != deployed.credentials_revision:
            return False
        if pod.digest == deployed.digest:
            return True
        known = deployed.known.get(pod.digest) if pod.digest else None
        return known is not None and known.get(key) == self.parts[key]


def _nowhere(resources: Resources) -> _View:
    """What no gateway is concerned with has its conditions too."""
    nowhere = Gateway(namespace="", name="")
    compiled = compile_resources(nowhere, resources)
    return _View(Deployed(nowhere, compiled, "", "0"), conditions_of(compiled, resources))


def _status(
    subject: Subject, views: Sequence[_View], store: str | None, targets: Condition | None, now: datetime
) -> Status:
    compiled = _merged([view.conditions[subject.key] for view in views])
    using = [view for view in views if subject.key in view.parts]
    taken = next((view.deployed.taken for view in using if view.deployed.taken), "")
    if taken and subject.key.kind == "ModelRoute":
        compiled = _with_name_taken(compiled, taken)
    programmed, pods = _programmed(subject.key, using, compiled)
    conditions = [found for found in compiled if found.type != "Ready"]
    conditions += [programmed, *([targets] if targets else []), _ready(compiled, programmed)]
    summaries = {
        "models": next((view.models[subject.key] for view in using if subject.key in view.models), None),
        "store": store,
        "programmed": pods,
    }
    return {
        "observedGeneration": subject.generation,
        **{name: text for name, text in summaries.items() if text is not None},
        "conditions": list(_with_times(conditions, subject, now)),
    }


def _merged(views: Sequence[Conditions]) -> Conditions:
    """What one gateway accepts is accepted; else what the gateway says that the route is meant for."""

    def rank(conditions: Conditions) -> int:
        accepted = condition(conditions, "Accepted")
        reason = accepted.reason if accepted else "GatewayNotFound"
        return ["Accepted", "GatewayNotFound"].index(reason) * 2 if reason in {"Accepted", "GatewayNotFound"} else 1

    return min(views, key=rank)


def _with_name_taken(conditions: Conditions, message: str) -> Conditions:
    return (
        Condition("Accepted", "False", "NameTaken", message),
        *(found for found in conditions if found.type not in {"Accepted", "Ready"}),
        Condition("Ready", "False", "NameTaken", message),
    )


def _programmed(key: ResourceKey, using: Sequence[_View], compiled: Conditions) -> tuple[Condition, str | None]:
    if not using:
        return _unused(compiled), None
    every = [(view, pod) for view in using for pod in view.deployed.pods]
    running = sum(view.runs(pod, key) for view, pod in every)
    pods = f"{running}/{len(every)} pods"
    names = ", ".join(str(view.deployed.gateway) for view in using)
    failures = _failures([view.deployed for view in using])
    if not every and not failures:
        return Condition("Programmed", "False", "NoPods", f"no pod of gateway {names} is ready"), pods
    if every and running == len(every):
        return Condition("Programmed", "True", "Programmed", pods), pods
    refusals = [
        f"pod {pod.pod} refused the configuration: {pod.refused.reason[:_LONGEST_REASON]}"
        for view, pod in every
        if pod.refused and pod.refused.digest in {None, view.deployed.digest} and not view.runs(pod, key)
    ]
    if refusals:
        return Condition("Programmed", "False", "Refused", f"{pods}; {min(refusals)}"), pods
    return Condition("Programmed", "False", "Pending", f"{pods}{failures}"), pods


def _targets(key: ResourceKey, views: Iterable[_View], before: Condition | None) -> Condition | None:
    using = [view for view in views if key in view.parts]
    troubles = [one for view in using for one in view.troubles.get(key, ())]
    return targets_condition(key, troubles, sum(view.deployed.reporting for view in using), before)


def _failures(using: Iterable[Deployed]) -> str:
    """What keeps the operator itself from its work: the first of each kind."""
    told: dict[str, str] = {}
    for one in using:
        for what, why in (("not written", one.unwritten), ("pods can't be found", one.unasked)):
            if why:
                told.setdefault(what, why)
    return "".join(f"; {what}: {why}" for what, why in told.items())


def _unused(compiled: Conditions) -> Condition:
    """Of a resource that is in no gateway's configuration: because of what is wrong with it, or nothing refers to it.

    The latter is as live as it can be. It must not look unfinished: GitOps tools wait for one wave of resources before
    they apply the next one, which may have the route that refers to it.
    """
    ready = condition(compiled, "Ready")
    if ready and ready.status == "True":
        return Condition("Programmed", "True", "Programmed", "no route uses it: there is nothing to load")
    return Condition("Programmed", "False", "Pending", "not part of any gateway's configuration")


def _ready(compiled: Conditions, programmed: Condition) -> Condition:
    ready = condition(compiled, "Ready")
    if ready and ready.status == "False":
        return ready
    if programmed.status == "False":
        return Condition("Ready", "False", programmed.reason, programmed.message)
    return Condition("Ready", "True", programmed.reason, programmed.message)


def _with_times(conditions: Iterable[Condition], subject: Subject, now: datetime) -> Iterator[Status]:
    before = {found.get("type"): found for found in (subject.status or {}).get("conditions") or ()}
    for found in conditions:
        earlier = before.get(found.type, {})
        same = earlier.get("status") == found.status and earlier.get("lastTransitionTime")
        yield {
            "type": found.type,
            "status": found.status,
            "reason": found.reason,
            "message": found.message,
            "observedGeneration": subject.generation,
            "lastTransitionTime": same or now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }


def _equal(wanted: Status, current: Status) -> bool:
    """Whether nothing has to be written. Conditions of others, and the order of all, mean nothing."""
    return _by_type(wanted) == _by_type(current)


def _by_type(status: Status) -> Status:
    own = {found["type"]: found for found in status.get("conditions") or () if found.get("type") in OWN_TYPES}
    return {**status, "conditions": own}


def _store(cache: CachePolicy) -> str:
    store = cache.spec.store
    return "memory" if store.memory else "managed" if store.managed else "external"


def _fingerprint(part: Route | Provider | Cache, offering: Mapping[str, Sequence[str]]) -> bytes:
    content = part.model_dump(mode="json", by_alias=True, exclude_none=True)
    around = offering.get(part.namespace, ()) if isinstance(part, Route) and part.auto else ()
    return hashlib.sha256(canonical([content, list(around)])).digest()[:16]
