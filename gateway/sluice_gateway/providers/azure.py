"""Azure OpenAI: OpenAI's API at a resource's own address (Azure OpenAI reference, "Data plane inference" and "v1 API").

With an API version, each model is a deployment in the path, and the version stands in the query; without one, the paths
are those of the v1 API, and the deployment's name stands in the body, as OpenAI's models do. The base URL is the
resource's endpoint, as the official SDK takes it.
"""

import dataclasses

from sluice_gateway.calls import Shape
from sluice_gateway.providers.adapter import Native
from sluice_gateway.providers.openai import OBSERVER, OPENAI

_V1 = "/openai/v1"

AZURE_V1 = dataclasses.replace(
    OPENAI,
    name="azure-v1",
    chat=_V1 + OPENAI.chat,
    embeddings_path=_V1 + OPENAI.embeddings_path,
    native={shape: Native(path=_V1 + native.path, observer=native.observer) for shape, native in OPENAI.native.items()},
    key_header="api-key",
    key_prefix="",
)


def _at_deployment(path: str) -> str:
    return f"/openai/deployments/{{model}}{path}?api-version={{api_version}}"


AZURE = dataclasses.replace(
    AZURE_V1,
    name="azure",
    chat=_at_deployment(OPENAI.chat),
    embeddings_path=_at_deployment(OPENAI.embeddings_path),
    native={
        shape: Native(path=_at_deployment(OPENAI.native[shape].path), observer=OBSERVER)
        for shape in (Shape.CHAT, Shape.COMPLETIONS, Shape.EMBEDDINGS)
    },
)
