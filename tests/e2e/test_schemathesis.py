"""The API's description against a live gateway: schemathesis makes requests of it, good ones and bad ones, and holds
the answers to it.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from sluice_gateway.server.openapi.document import OPERATIONS
from sluice_gateway.server.openapi.pages import DOCUMENT
from tests.support.examples import examples
from tests.support.gateway import gateway, loaded, provider, route
from tests.support.model_server.exchange import KEY
from tests.support.model_server.server import serve

CHECKS: list[CheckFunction] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
EXAMPLES, OF_PAGES = examples(20), 5
"""For each path and each way to make requests; of paths that take no body, or a part of another's."""
PART_OF_ANOTHER = {"/v1/messages/count_tokens"}
MODELS = ("mock", "anthropic", "embedder")
ONLY_SERVED_BY = {"/v1/embeddings": ("embedder",)}


def policies(url: str) -> str:
    key = {"secretRef": {"name": "right", "key": "api-key"}}
    return (
        provider("mock")
        + route("mock", "mock/m", models=("mock",))
        + provider("anthropic", provider="anthropic", baseURL=f"{url}/anthropic", credentials=key)
        + route("anthropic", "anthropic/claude-sonnet-4-5", models=("anthropic",))
        + provider("openai", provider="openai", baseURL=f"{url}/openai/v1", credentials=key)
        + route("embedder", "openai/text-embedding-3-small", models=("embedder",))
    )


def operations(url: str) -> Iterator[Any]:
    """Those of the description, each of which schemathesis can read."""
    for found in schemathesis.openapi.from_url(f"{url}/openapi.json").get_all_operations():
        assert isinstance(found, Ok), found
        yield found.ok()


def hold(operation: Any, mode: GenerationMode, models: Sequence[str] = MODELS) -> Counter[int]:
    """Ask and look, so many times; how often each status was answered."""
    statuses: Counter[int] = Counter()

    @settings(
        max_examples=EXAMPLES if operation.body and operation.path not in PART_OF_ANOTHER else OF_PAGES,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode), st.sampled_from(models))
    def check(case: Case, model: str) -> None:
        if isinstance(case.body, dict) and isinstance(case.body.get("model"), str):
            case.body["model"] = model
        if isinstance(case.body, dict) and isinstance(case.body.get("provider"), str):  # whose breakers are set
            case.body["provider"], case.body["model"] = "default/mock", "m"
        if case.path_parameters:
            case.path_parameters["id"] = model
        if case.headers:
            case.headers.pop("x-request-timeout-ms", None)  # an answer within a millisecond is not to be had
        statuses[case.call_and_validate(checks=CHECKS, timeout=10).status_code] += 1

    check()
    return statuses


async def test_the_gateway_keeps_to_its_own_description() -> None:
    async with serve() as server:
        async with gateway(loaded(policies(server.url), keys={"right": KEY})) as sluice:
            found = await asyncio.to_thread(lambda: list(operations(sluice.url)))
            assert {operation.path for operation in found} == OPERATIONS.keys() - {DOCUMENT}
            for operation in found:
                served = await asyncio.to_thread(hold, operation, GenerationMode.POSITIVE)
                if only := ONLY_SERVED_BY.get(operation.path):
                    served += await asyncio.to_thread(hold, operation, GenerationMode.POSITIVE, only)
                assert served[200], f"{operation.path} was never served, so that nothing was held against it: {served}"
                if operation.body:
                    refused = await asyncio.to_thread(hold, operation, GenerationMode.NEGATIVE)
                    assert refused[400]
