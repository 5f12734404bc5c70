"""What the files amount to: credentials from Secrets and variables, callers' keys, findings at their lines."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from textwrap import dedent

import pytest

from sluice_config.compile import Gateway
from sluice_config.findings import Level
from sluice_gateway.callers import Callers
from sluice_gateway.sources.assembly import Assembly, assemble_paths
from tests.support.canary import CANARY

PROVIDER = """\
---
apiVersion: sluice.dev/v1alpha1
kind: ProviderPolicy
metadata: {name: NAME}
spec:
  provider: VENDOR
  credentials: {secretRef: {name: SECRET, key: KEY}}
---
apiVersion: sluice.dev/v1alpha1
kind: ModelRoute
metadata: {name: NAME}
spec:
  models: [NAME]
  targets: [{provider: NAME, model: m}]
"""
SECRET = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: NAME}\nstringData:\n"


def provider(name: str = "openai", vendor: str = "openai", secret: str = "openai", key: str = "api-key") -> str:
    named = PROVIDER.replace("NAME", name).replace("VENDOR", vendor)
    return named.replace("SECRET", secret).replace("KEY", key)


def secret(name: str = "openai", **values: str) -> str:
    lines = [f'  {key.replace("_", "-")}: "{value}"\n' for key, value in values.items()]
    return SECRET.replace("NAME", name) + "".join(lines)


def assembled(tmp_path: Path, text: str, environ: Mapping[str, str] | None = None) -> Assembly:
    (tmp_path / "a.yaml").write_text(dedent(text))
    return assemble_paths([tmp_path], Gateway(), environ or {})


def revealed(assembly: Assembly) -> dict[str, str]:
    values = assembly.credentials.values
    return {f"{ref.namespace}/{ref.name}/{ref.key}": value.reveal() for ref, value in values.items()}


def said(assembly: Assembly) -> list[str]:
    return [f"{one.line}: {one.finding}" for one in assembly.findings]


def test_a_secret_among_the_files_is_the_credential(tmp_path: Path) -> None:
    assembly = assembled(tmp_path, provider() + secret(api_key="sk-1\\n", other="x"), {"OPENAI_API_KEY": "sk-2"})
    assert revealed(assembly) == {"default/openai/api-key": "sk-1"}
    assert said(assembly) == []
    assert [target.provider for target in assembly.snapshot.routes[0].targets] == ["openai"]


def test_without_the_secret_the_vendors_variable_is(tmp_path: Path) -> None:
    assembly = assembled(tmp_path, provider(), {"OPENAI_API_KEY": "sk-2\n", "GROQ_API_KEY": "sk-3"})
    assert revealed(assembly) == {"default/openai/api-key": "sk-2"}
    assert said(assembly) == []


@pytest.mark.parametrize(
    ("vendor", "variable"), [("groq", "GROQ_API_KEY"), ("deepseek", "DEEPSEEK_API_KEY"), ("huggingface", "HF_TOKEN")]
)
def test_each_vendor_has_its_variable(tmp_path: Path, vendor: str, variable: str) -> None:
    assert list(revealed(assembled(tmp_path, provider(vendor=vendor), {variable: "k"})).values()) == ["k"]


@pytest.mark.parametrize("environ", [{}, {"OPENAI_API_KEY": ""}, {"ANTHROPIC_API_KEY": "k"}])
def test_with_neither_both_ways_out_are_named(tmp_path: Path, environ: dict[str, str]) -> None:
    assembly = assembled(tmp_path, provider(), environ)
    assert revealed(assembly) == {}
    advice = "Secret default/openai not found: add the Secret to the files, or set OPENAI_API_KEY"
    assert said(assembly)[0] == (
        "7: warning: ProviderPolicy default/openai: spec.credentials.secretRef.name: " + advice + " [SecretNotFound]"
    )
    assert not assembly.blocking


def test_a_missing_key_of_a_secret_has_no_way_out_by_variable(tmp_path: Path) -> None:
    assembly = assembled(tmp_path, provider() + secret(key="sk-1"), {"OPENAI_API_KEY": "sk-2"})
    assert revealed(assembly) == {}
    assert "Secret default/openai has no key api-key [SecretKeyNotFound]" in said(assembly)[0]


def test_a_server_of_ones_own_gets_no_vendors_key(tmp_path: Path) -> None:
    text = provider(vendor="openai-compatible").replace(
        "  credentials", "  baseURL: http://127.0.0.1:1/v1\n  credentials"
    )
    assembly = assembled(tmp_path, text, {"OPENAI_API_KEY": CANARY})
    assert revealed(assembly) == {}
    assert "not found [SecretNotFound]" in said(assembly)[0]


def test_two_vendors_that_share_a_secret_get_nothing_from_variables(tmp_path: Path) -> None:
    text = provider() + provider(name="groq", vendor="groq")
    assert revealed(assembled(tmp_path, text, {"OPENAI_API_KEY": "a", "GROQ_API_KEY": "b"})) == {}


def test_two_keys_of_a_missing_secret_are_apart(tmp_path: Path) -> None:
    text = provider(secret="keys", key="openai") + provider(name="groq", vendor="groq", secret="keys", key="groq")
    assert revealed(assembled(tmp_path, text, {"OPENAI_API_KEY": "a", "GROQ_API_KEY": "b"})) == {
        "default/keys/openai": "a",
        "default/keys/groq": "b",
    }
    half = assembled(tmp_path, text, {"GROQ_API_KEY": "b"})
    assert revealed(half) == {"default/keys/groq": "b"}
    assert "set OPENAI_API_KEY" in said(half)[0]


def test_a_variable_that_cannot_be_sent_is_not_used(tmp_path: Path) -> None:
    assembly = assembled(tmp_path, provider(), {"OPENAI_API_KEY": f"{CANARY}\nx"})
    assert revealed(assembly) == {}
    assert any(
        "the environment variable OPENAI_API_KEY is not used: the value has control characters" in s
        for s in said(assembly)
    )
    assert CANARY not in repr(assembly)


@pytest.mark.parametrize(
    ("value", "reason"), [("", "the value is empty"), (f"{CANARY}\\0", "the value has control characters, blanks")]
)
def test_a_secret_that_cannot_be_sent_blocks(tmp_path: Path, value: str, reason: str) -> None:
    assembly = assembled(tmp_path, secret(other="x", api_key=value) + provider())
    (located,) = assembly.blocking
    assert (located.line, located.finding.level) == (7, Level.ERROR)
    assert str(located.finding).startswith(f"error: Secret default/openai: stringData.api-key: {reason}")
    assert CANARY not in repr(assembly)


def test_a_secret_that_nobody_refers_to_may_hold_anything(tmp_path: Path) -> None:
    assembly = assembled(tmp_path, secret(name="tls", key="-----BEGIN\\nKEY-----\\n"))
    assert not assembly.findings
    assert revealed(assembly) == {}


def test_credentials_are_those_that_the_snapshot_refers_to(tmp_path: Path) -> None:
    unreachable = provider(name="spare", secret="spare").split(
        "---\napiVersion: sluice.dev/v1alpha1\nkind: ModelRoute"
    )[0]
    assembly = assembled(tmp_path, unreachable + secret(name="spare", api_key="sk-1"))
    assert revealed(assembly) == {}


def test_a_cache_server_has_credentials_too(tmp_path: Path) -> None:
    text = """\
        apiVersion: sluice.dev/v1alpha1
        kind: CachePolicy
        metadata: {name: shared}
        spec:
          store:
            external:
              address: redis.example.com:6379
              secretRef: {name: redis, usernameKey: user}
        ---
        apiVersion: sluice.dev/v1alpha1
        kind: ModelRoute
        metadata: {name: chat}
        spec: {models: [chat], cachePolicy: shared}
        """
    assembly = assembled(tmp_path, dedent(text) + secret(name="redis", user="me", password="pw"))
    assert revealed(assembly) == {"default/redis/password": "pw", "default/redis/user": "me"}


def test_callers_have_their_keys_in_the_gateways_secret(tmp_path: Path) -> None:
    digest = "sha256:" + "0123456789abcdef" * 4
    assembly = assembled(tmp_path, secret(name="sluice-gateway-keys", team_a="key\\n", team_b=digest))
    assert {name: value.reveal() for name, value in assembly.callers.items()} == {"team-a": "key", "team-b": digest}


@pytest.mark.parametrize("value", [f"sha256:{CANARY}", "sha256:", "", f"{CANARY}\\x01"])
def test_callers_keys_that_cannot_be_used_block(tmp_path: Path, value: str) -> None:
    assembly = assembled(tmp_path, secret(name="sluice-gateway-keys", good="key", bad=value))
    assert [(one.line, one.finding.field) for one in assembly.blocking] == [(7, "stringData.bad")]
    assert CANARY not in repr(assembly)


@pytest.mark.parametrize("second", [CANARY, f"{CANARY}\\n", f"sha256:{sha256(CANARY.encode()).hexdigest().upper()}"])
def test_two_consumers_with_one_key_are_named_and_the_key_is_not(tmp_path: Path, second: str) -> None:
    assembly = assembled(tmp_path, secret(name="sluice-gateway-keys", team_b=second, team_a=CANARY, other="x"))
    (finding,) = said(assembly)
    assert finding == (
        "7: warning: Secret default/sluice-gateway-keys: stringData.team-a: team-a and team-b have the same key: "
        "its requests count as those of team-b [Conflicted]"
    )
    assert CANARY not in repr(assembly)
    assert not assembly.blocking
    assert Callers(assembly.callers, required=True).identify(f"Bearer {CANARY}") == "team-b"


def test_errors_of_compile_do_not_block_and_stand_where_the_words_are(tmp_path: Path) -> None:
    assembly = assembled(
        tmp_path, provider().replace("{provider: openai, model: m}", "{provider: opnai}"), {"OPENAI_API_KEY": "k"}
    )
    assert said(assembly)[0].startswith("14: error: ModelRoute default/openai: spec.targets[0].provider: ")
    assert not assembly.blocking


def test_findings_are_sorted_by_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("{")
    assembly = assembled(tmp_path, "# x\n" * 9 + "---\n{\n" + provider().replace("spec:", "spc:"))
    assert [(Path(one.file).name, one.line) for one in assembly.findings] == sorted(
        (Path(one.file).name, one.line) for one in assembly.findings
    )
    assert len(assembly.findings) == len(assembly.blocking) == 6


def test_the_order_of_files_does_not_matter(tmp_path: Path) -> None:
    texts = [provider(name=f"p{number}", secret=f"s{number}") for number in range(5)]
    digests = set()
    for turn in range(3):
        folder = tmp_path / str(turn)
        folder.mkdir()
        for number, text in enumerate(texts):
            (folder / f"{(number + turn) % 5}.yaml").write_text(text)
        digests.add(assemble_paths([folder], Gateway(), {"OPENAI_API_KEY": "k"}).digest)
    assert len(digests) == 1


def test_a_route_to_an_invalid_provider_is_not_told_that_there_is_none(tmp_path: Path) -> None:
    text = provider("mock", "mock").replace("  credentials:", "  retry: {maxRetries: 9}\n  credentials:")
    invalid, refers = said(assembled(tmp_path, text))
    assert "spec.retry.maxRetries: must be an integer between 0 and 5, got 9" in invalid
    assert "ProviderPolicy mock: it is not accepted: Invalid" in refers
