"""A vendor for Agora: its servers speak OpenAI's protocol and want a header of their own."""

from typing import Any

import openai
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI

from agora.domain.vendors import Question


class Acme:
    """What the entry point names."""

    raised = (openai.OpenAIError,)

    def client(self, question: Question, hooks: dict[str, list[Any]]) -> BaseChatModel:
        """Return a client for one question."""
        http = openai.DefaultAsyncHttpxClient(
            timeout=question.deadline_s,
            event_hooks=hooks,
            headers={"X-Acme": "1", "Connection": "close"},
        )
        return ChatOpenAI(
            model=question.model.name,
            base_url=question.model.base_url,
            api_key=question.api_key,
            timeout=question.deadline_s,
            max_retries=0,
            stream_usage=True,
            max_completion_tokens=question.answer_tokens,
            http_async_client=http,
        )
