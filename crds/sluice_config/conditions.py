"""What compile found, as the conditions that Kubernetes' users read on each resource.

Types: Accepted, ResolvedRefs (when references were looked up: those of a resource that is not accepted are not),
Conflicted (only when true), and Ready as far as compile knows: what pods run is for the operator to add. Reasons are
those of the findings.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from sluice_config.compile import Compiled, Resources
from sluice_config.findings import Finding, Level
from sluice_config.published import GATEWAY_LABEL, ROUTES_FROM
from sluice_config.resources import ModelRoute, ResourceKey
from sluice_config.snapshot import Route
from sluice_config.unhonoured import NOT_HONOURED

LONGEST_MESSAGE = 2000
"""Characters. A status has to be read by people, and to fit into its object with all others."""

Status = Literal["True", "False"]

_REFUSALS: Final = frozenset({"Invalid", "NameTaken", "GatewayNotFound", "NotGranted", "TooLarge"})
_NO_GATEWAY: Final = frozenset({"GatewayNotFound", "NotGranted"})
_REFERENCES: Final = frozenset(
    {
        "ProviderNotFound",
        "ModelNotFound",
        "SecretNotFound",
        "SecretKeyNotFound",
        "SecretAccessDenied",
        "CachePolicyNotFound",
        "ServiceNotFound",
        "ConfigMapNotFound",
        "ConfigMapKeyNotFound",
    }
)
_NOTES: Final = frozenset({NOT_HONOURED, "ProviderDisabled"})
_STOPPING_FIELDS: Final = ("spec.credentials", "spec.store")
"""Without what these refer to, a provider or a cache does nothing; without other references, less."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One statement about a resource. What Kubernetes adds (times, generation) is not known here."""

    type: str
    status: Status
    reason: str
    message: str


Conditions = tuple[Condition, ...]


def conditions_of(compiled: Compiled, resources: Resources) -> Mapping[ResourceKey, Conditions]:
    """The conditions of every resource of the input, also of the refused ones, as one gateway sees them."""
    findings: dict[ResourceKey, list[Finding]] = defaultdict(list)
    for finding in compiled.findings:
        if finding.resource:
            findings[finding.resource].append(finding)
    routes = {route.key: route for route in compiled.snapshot.routes}
    all_resources = (*resources.routes, *resources.providers, *resources.caches)
    refused = {finding.resource for finding in resources.refused if finding.resource}
    result = {key: _conditions(findings[key], usable=False) for key in refused}
    for resource in all_resources:
        found = findings.get(resource.key, [])
        if isinstance(resource, ModelRoute):
            usable = _has_targets(routes.get(resource.key), found)
            found = [_about_gateway(finding, resource) for finding in found]
        else:
            usable = not any(map(_stops, found))
        result[resource.key] = _conditions(found, usable=usable)
    return result


def condition(conditions: Iterable[Condition], of_type: str) -> Condition | None:
    """The condition of a type."""
    return next((found for found in conditions if found.type == of_type), None)


def _conditions(findings: Sequence[Finding], *, usable: bool) -> Conditions:
    accepted, resolved = _accepted(findings), _resolved(findings)
    looked_up = [resolved] if accepted.status == "True" or resolved.status == "False" else []
    lost = [finding for finding in findings if finding.reason == "Conflicted"]
    conflicted = [Condition("Conflicted", "True", "Conflicted", _text(lost))] if lost else []
    return accepted, *looked_up, *conflicted, _ready(accepted, resolved, findings, usable=usable)


def _accepted(findings: Sequence[Finding]) -> Condition:
    refusals = [finding for finding in findings if _refuses(finding)]
    if refusals:
        return Condition("Accepted", "False", refusals[0].reason, _text(refusals))
    notes = [finding for finding in findings if finding.reason in _NOTES]
    return Condition("Accepted", "True", "Accepted", _text(notes) or "the resource is valid")


def _resolved(findings: Sequence[Finding]) -> Condition:
    broken = [finding for finding in findings if finding.reason in _REFERENCES]
    if not broken:
        return Condition("ResolvedRefs", "True", "Resolved", "everything that the resource refers to was found")
    worst = min(broken, key=lambda finding: finding.level is not Level.ERROR)
    return Condition("ResolvedRefs", "False", worst.reason, _text(broken))


def _ready(accepted: Condition, resolved: Condition, findings: Sequence[Finding], *, usable: bool) -> Condition:
    if accepted.status == "False":
        return Condition("Ready", "False", accepted.reason, accepted.message)
    if usable:
        return Condition("Ready", "True", "Accepted", "the resource can be used")
    if resolved.status == "False":
        return Condition("Ready", "False", resolved.reason, resolved.message)
    out = [finding for finding in findings if _stops(finding) or finding.field.startswith("spec.targets")]
    return Condition("Ready", "False", out[0].reason, _text(out))


def _refuses(finding: Finding) -> bool:
    """Whether a resource with this finding is not accepted. A lost name is: when all are lost."""
    return finding.reason in _REFUSALS or (finding.reason == "Conflicted" and finding.level is Level.ERROR)


def _has_targets(route: Route | None, findings: Iterable[Finding]) -> bool:
    """Whether a request could be sent anywhere; a route without targets says so about its list as a whole."""
    if route is None:
        return False
    return bool(route.targets) or (route.auto and all(finding.field != "spec.targets" for finding in findings))


def _stops(finding: Finding) -> bool:
    """Whether a provider or a cache with this finding does nothing."""
    if finding.reason == NOT_HONOURED:
        return finding.field in {"spec", "spec.provider"}
    if finding.reason in _REFERENCES:
        return finding.field.startswith(_STOPPING_FIELDS)
    return finding.reason == "ProviderDisabled"


def _about_gateway(finding: Finding, route: ModelRoute) -> Finding:
    """The finding in words for the route's owner, who is not told what exists in other namespaces."""
    if finding.reason not in _NO_GATEWAY:
        return finding
    ref, own = route.spec.gateway_ref, route.metadata.namespace
    if ref.namespace in {None, own}:
        reason, message = "GatewayNotFound", f"no Deployment of namespace {own} is labelled {GATEWAY_LABEL}: {ref.name}"
    else:
        reason = "NotGranted"
        message = (
            f"gateway {ref.namespace}/{ref.name} is not there or takes no routes of namespace {own}: "
            f"the annotation {ROUTES_FROM} on its Deployment is the grant"
        )
    return Finding(finding.resource, finding.field, Level.ERROR, reason, message)


def _text(findings: Iterable[Finding]) -> str:
    text = "; ".join(_lines(findings))
    return text if len(text) <= LONGEST_MESSAGE else f"{text[: LONGEST_MESSAGE - 1]}…"


def _lines(findings: Iterable[Finding]) -> Iterator[str]:
    for finding in findings:
        yield f"{finding.field}: {finding.message}" if finding.field else finding.message
