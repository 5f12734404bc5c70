"""The cache of programs and the preconditions, without building anything."""

import threading
from pathlib import Path

import pytest

from tests.cluster.build import inputs_digest, locked, tar
from tests.cluster.preconditions import SWITCH, cannot_run, required


def test_the_digest_of_the_inputs_is_stable() -> None:
    assert inputs_digest() == inputs_digest()
    assert len(inputs_digest()) == 16


def test_two_builds_wait_for_each_other(tmp_path: Path) -> None:
    order = []
    waiting = threading.Event()

    def second() -> None:
        waiting.set()
        with locked(tmp_path / "lock"):
            order.append("second")

    thread = threading.Thread(target=second)
    with locked(tmp_path / "lock"):
        thread.start()
        assert waiting.wait(5)
        order.append("first")
    thread.join(5)
    assert order == ["first", "second"]


def test_an_archive_is_the_same_each_time() -> None:
    assert tar({"a": b"1"}, mode=0o644) == tar({"a": b"1"}, mode=0o644)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [({}, False), ({"CI": "true"}, True), ({SWITCH: "required"}, True), ({"CI": "true", SWITCH: "off"}, False)],
)
def test_what_is_missing_is_a_failure_only_where_it_is_required(environment: dict[str, str], expected: bool) -> None:
    assert required(environment) is expected


def test_the_switch_turns_clusters_off() -> None:
    assert cannot_run({SWITCH: "off"}) == f"{SWITCH} is off"


def test_without_root_the_reason_is_said() -> None:
    assert cannot_run({}, user=1000) == "a cluster needs root"
