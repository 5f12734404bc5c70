"""What is wanted against what is there: which objects to write or delete, and which names somebody else has."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sluice_config.published import GATEWAY_LABEL
from sluice_operator.render.gateway import MANAGED_BY, GatewayObject, Object


class ObjectKey(NamedTuple):
    """A child's identity within its gateway's namespace."""

    kind: str
    name: str


_WHOLE = {"data", "binaryData"}
_SHARED = {"ownerReferences"}
_OWN_WRITER = (MANAGED_BY, "Apply")

Live = Mapping[ObjectKey, Object]
"""The objects that are there, by identity."""


def key_of(found: Object) -> ObjectKey:
    """An object's identity."""
    return ObjectKey(found["kind"], found["metadata"]["name"])


def changes(children: Iterable[Object], live: Live) -> list[Object]:
    """The children that are not there as meant, in their order: each is to be applied before the next one.

    Fields that a child does not mention are not looked at: they are the API server's or somebody else's.
    """
    return [child for child in children if is_changed(child, live.get(key_of(child)))]


def is_changed(child: Object, found: Object | None) -> bool:
    """Whether what is there is not as meant: something is missing or different, or has entries that nobody meant."""
    return not covers(found, child) or any(_entries(found or {}, field) - _entries(child, field) for field in _WHOLE)


def strange(child: Object, found: Object) -> dict[str, set[str]]:
    """Entries of data that applying the child leaves where they are, by field: not, or not only, set by that."""
    writers = found["metadata"].get("managedFields") or ()
    result = {}
    for field in _WHOLE:
        ours, others = set[str](), set[str]()
        for writer in writers:
            own = (writer.get("manager"), writer.get("operation")) == _OWN_WRITER
            (ours if own else others).update((writer.get("fieldsV1") or {}).get(f"f:{field}") or ())
        many = {key for key in _entries(found, field) - _entries(child, field) if f"f:{key}" not in ours - others}
        if many:
            result[field] = many
    return result


def foreign(gateway: GatewayObject, children: Iterable[Object], live: Live) -> list[ObjectKey]:
    """Names of children that belong to somebody else: objects that are not the gateway's own are left alone."""
    keys = dict.fromkeys(map(key_of, children))
    return [key for key in keys if key in live and not is_owned(gateway, live[key])]


def obsolete(gateway: GatewayObject, children: Iterable[Object], live: Live) -> list[ObjectKey]:
    """Autoscalers of the gateway that are wanted no more. Slots that no index names stay: they are written again."""
    wanted = set(map(key_of, children))
    return [
        key
        for key, found in sorted(live.items())
        if key.kind == "HorizontalPodAutoscaler" and key not in wanted and is_owned(gateway, found)
    ]


def is_owned(gateway: GatewayObject, found: Object) -> bool:
    """Whether an object is the gateway's own, or was a former one's and is nobody's now.

    That is what a Deployment leaves behind that is deleted without its children (``kubectl delete --cascade=orphan``).
    An owner of the Deployment's name with another uid is gone: a name is one object's at a time.
    """
    owners = found["metadata"].get("ownerReferences") or ()
    if any(owner["uid"] == gateway.uid for owner in owners):
        return True
    former = all(owner["kind"] == "Deployment" and owner["name"] == gateway.deployment for owner in owners)
    return former and is_marked(found) and found["metadata"]["labels"].get(GATEWAY_LABEL) == gateway.name


def is_marked(found: Object) -> bool:
    """Whether the operator wrote an object: its label, which anyone may copy, and its part in the managed fields."""
    about = found["metadata"]
    writers = {(entry.get("manager"), entry.get("operation")) for entry in about.get("managedFields") or ()}
    label = (about.get("labels") or {}).get("app.kubernetes.io/managed-by")
    return label == MANAGED_BY and _OWN_WRITER in writers


def _entries(found: Object, field: str) -> set[str]:
    return set(found.get(field) or ()) if found.get("kind") in {"ConfigMap", "Secret"} else set()


def covers(live: Any, wanted: Any, field: str = "") -> bool:
    """Whether what is there has all that is wanted. Data is compared whole: an entry too many is a difference."""
    if not isinstance(wanted, dict):
        return _covers_list(live, wanted, field) if isinstance(wanted, list) else bool(live == wanted)
    if not isinstance(live, dict):
        return live is None and not wanted
    if field in _WHOLE:
        return live == wanted
    return all(covers(live.get(name), value, name) for name, value in wanted.items())


def _covers_list(live: Any, wanted: list[Any], field: str) -> bool:
    if not isinstance(live, list):
        return False
    if field in _SHARED:
        return all(any(covers(there, meant) for there in live) for meant in wanted)
    return len(live) == len(wanted) and all(map(covers, live, wanted))
