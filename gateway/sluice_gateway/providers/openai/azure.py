"""Azure OpenAI: OpenAI's API at a resource's own address (Azure OpenAI reference, "Data plane inference" and "v1 API").

With an API version, each model is a deployment in the path, and the version stands in the query; without one, the paths
are those of the v1 API, and the deployment's name stands in the body, as OpenAI's models do. The base URL is the
resource's endpoint, as Azure's own client takes it; with the v1 API it may be that of OpenAI's client too, which ends
in ``/openai/v1``.
"""

import dataclasses

from sluice_gateway.calls import Shape
from sluice_gateway.providers.adapter import Native, Wire
from sluice_gateway.providers.openai.wire import OBSERVER, OPENAI

_V1 = "/openai/v1"


def _v1(name: str, prefix: str) -> Wire:
    return dataclasses.replace(
        OPENAI,
        name=name,
        chat=prefix + OPENAI.chat,
        embeddings_path=prefix + OPENAI.embeddings_path,
        native={
            shape: dataclasses.replace(native, path=prefix + native.path) for shape, native in OPENAI.native.items()
        },
        key_header="api-key",
        key_prefix="",
    )


def _at_deployment(path: str) -> str:
    return f"/openai/deployments/{{model}}{path}?api-version={{api_version}}"


AZURE_V1 = _v1("azure-v1", _V1)
AZURE_V1_BASED = _v1("azure-v1-based", "")  # on a base URL that has the prefix
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
