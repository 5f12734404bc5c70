"""Secrets are shown by reveal alone; credentials have a revision that tells nothing."""

import copy
import json
import pickle
import subprocess
import sys

import pytest

from sluice_config.snapshot import CredentialRef
from sluice_gateway.credentials import Credentials, Secret, UnusableValue
from tests.support.canary import CANARY

REF = CredentialRef(namespace="default", name="openai", key="api-key")


def test_reveal_is_the_only_way_to_the_value() -> None:
    secret = Secret(CANARY)
    assert secret.reveal() == CANARY
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret:>9}",
        f"{secret!a}",
        "{} {!r}".format(*[secret] * 2),
        f"{[secret]}",
    ]
    assert CANARY not in " ".join(shown)
    assert f"{secret:>5}" == "  ***"


@pytest.mark.parametrize("leak", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps, hash, vars, list, bytes])
def test_what_would_carry_the_value_away_fails(leak: object) -> None:
    assert callable(leak)
    with pytest.raises(TypeError) as caught:
        leak(Secret(CANARY))
    assert CANARY not in str(caught.value)


def test_equality_compares_values_and_nothing_else() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert Secret("\udcff") != Secret("a")


@pytest.mark.parametrize(
    ("value", "text"), [("sk-1", "sk-1"), ("sk-1\n", "sk-1"), ("sk-1\r\n\n", "sk-1"), ("a b", "a b")]
)
def test_line_ends_after_a_value_are_dropped(value: str, text: str) -> None:
    assert Secret.read(value).reveal() == text


@pytest.mark.parametrize(
    "value",
    [
        "",
        "\n",
        f"{CANARY}\nx",
        f"{CANARY}\0",
        f"\r\n{CANARY}",
        f" {CANARY}",
        f"{CANARY}\t",
        f"{CANARY}é",
        f"{CANARY}\udcff",
    ],
)
def test_values_that_no_header_takes_are_refused_without_being_shown(value: str) -> None:
    with pytest.raises(UnusableValue) as caught:
        Secret.read(value)
    assert CANARY not in f"{caught.value!r}"


def test_the_revision_changes_with_each_value_and_reference() -> None:
    one, other = Credentials.of({REF: Secret("a")}), Credentials.of({REF: Secret("b")})
    moved = Credentials.of({REF.model_copy(update={"key": "other"}): Secret("a")})
    assert len({one.revision, other.revision, moved.revision, Credentials().revision}) == 4
    assert one.revision == Credentials.of({REF: Secret("a")}).revision
    assert Credentials.of({}).revision == "0"
    assert CANARY not in repr(Credentials.of({REF: Secret(CANARY)}))


def test_revisions_of_two_processes_cannot_be_compared() -> None:
    program = (
        "from sluice_gateway.credentials import Credentials, Secret; from sluice_config.snapshot import CredentialRef;"
        "ref = CredentialRef(namespace='default', name='openai', key='api-key');"
        "print(Credentials.of({ref: Secret('a')}).revision)"
    )
    revisions = {subprocess.check_output([sys.executable, "-c", program], text=True) for _ in range(2)}
    assert len(revisions) == 2
