"""LangChain's standard tests of chat models, with the models of OpenAI and Anthropic in front of several providers.

Those that fetch pictures and documents from the Internet are left out; the tests of the SDKs show some.
"""

from collections.abc import Mapping
from typing import Any

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests

from tests.support.live import OFFERS, Site

pytestmark = [
    pytest.mark.filterwarnings("ignore:Benchmark fixture was not used at all"),
    pytest.mark.filterwarnings("ignore:Received a Pydantic BaseModel V1 schema:UserWarning"),
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning"),
]

OPENAI, ANTHROPIC, GOOGLE = (OFFERS[name].models for name in ("openai", "anthropic", "google"))

REVERSED = {"plain": GOOGLE["thinker"], "thinker": GOOGLE["plain"]}


class _Standard(ChatModelIntegrationTests):
    """``models`` are those of the provider behind the gateway."""

    models: Mapping[str, str]
    site: Site

    @pytest.fixture(autouse=True)
    def _standing(self, site: Site) -> None:
        self.site = site

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        raise NotImplementedError

    @property
    def model_override_value(self) -> str:
        return self.models["thinker"]


class _OpenAI(_Standard):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatOpenAI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        plain = {"model": self.models["plain"], "api_key": "anything", "max_retries": 0}
        return {**plain, "base_url": self.site.openai, "stream_usage": True}

    @property
    def supports_json_mode(self) -> bool:
        return self.models is not ANTHROPIC  # which has none, and the gateway says so


class _Anthropic(_Standard):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatAnthropic

    @property
    def chat_model_params(self) -> dict[str, Any]:
        plain = {"model": self.models["plain"], "api_key": "anything", "max_retries": 0}
        return {**plain, "base_url": self.site.gateway}

    @property
    def supports_anthropic_inputs(self) -> bool:
        return self.models is not ANTHROPIC  # their thought bears a seal that is not the model server's


class TestOpenAIBeforeOpenAI(_OpenAI):
    models = OPENAI


class TestOpenAIBeforeAnthropic(_OpenAI):
    models = ANTHROPIC


class TestOpenAIBeforeGoogle(_OpenAI):
    models = GOOGLE


class TestOpenAIBeforeGoogleThatThinks(_OpenAI):
    """Whose model wants the signatures of its calls back, which LangChain does not keep."""

    models = REVERSED


class TestOpenAIResponsesBeforeAnthropic(_OpenAI):
    models = ANTHROPIC

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {**super().chat_model_params, "use_responses_api": True}


class TestAnthropicBeforeAnthropic(_Anthropic):
    models = ANTHROPIC


class TestAnthropicBeforeOpenAI(_Anthropic):
    models = OPENAI


class TestAnthropicBeforeGoogle(_Anthropic):
    models = GOOGLE
