"""Vendors: the chat clients of langchain-ollama and langchain-openai, every default overridden.

Other vendors are plugged in by packages. Imported on the first question only: the clients take two
seconds to load.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import httpx
import ollama
import openai
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_ollama import ChatOllama, OllamaEmbeddings
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel, SecretStr

from agora.domain import diagnosis
from agora.domain.contracts import Json
from agora.domain.faults import WrongKeyError
from agora.domain.models import Model
from agora.domain.plugs import plugged
from agora.domain.servers import is_private
from agora.domain.settings import Settings
from agora.domain.wires import Wire, options, timeout, tls

KEYLESS = SecretStr("none")  # the client insists on a key where a private server needs none
# What the two clients raise for all that a server can do; none of it is a slip of ours, because
# only their own iteration stands inside the try.
RAISED = (
    httpx.HTTPError,
    httpx.InvalidURL,
    ollama.ResponseError,
    openai.OpenAIError,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
)


@dataclass(frozen=True)
class Question:
    """Everything that one call sends."""

    model: Model
    messages: Sequence[Mapping[str, Any]]
    api_key: SecretStr | None
    tools: Sequence[Any]
    schema: type[BaseModel] | None
    is_formal: bool  # the server is told the schema, not the model alone
    sent: int  # tokens of the prompt, estimated
    window: int  # tokens that an Ollama server shall hold
    answer_tokens: int
    deadline_s: float
    has_relief: bool  # another model could be asked instead of waiting for this one

    @property
    def form(self) -> Json | None:
        """Return the schema that the server is told."""
        return self.schema.model_json_schema() if self.schema and self.is_formal else None

    @property
    def response_format(self) -> Json | None:
        """Return the same as OpenAI's protocol sends it."""
        if self.schema is None or self.form is None:
            return None
        wanted = {"name": self.schema.__name__, "schema": self.form}
        return {"type": "json_schema", "json_schema": wanted}


async def stream(question: Question, wire: Wire) -> AsyncGenerator[AIMessageChunk, None]:
    """Yield the answer's pieces as they come; raise a ModelFault."""
    model = question.model
    client, raised = _client(question, wire)
    tools = [convert_to_openai_tool(tool) for tool in question.tools]
    offered: dict[str, Any] = {"tools": tools} if tools else {}
    messages = [as_langchain(message) for message in question.messages]
    try:
        # The iterator is a generator, and closing it closes the connection.
        chunks = cast(Any, client.astream(messages, **offered))
        async with aclosing(chunks):
            async for chunk in chunks:
                yield chunk
    except raised as error:
        wire.status = wire.status or getattr(error, "status_code", None)
        raise diagnosis.name(error, model, wire.headers) from error


def _client(question: Question, wire: Wire) -> tuple[BaseChatModel, tuple[type[Exception], ...]]:
    """Return the client of the model's vendor, and what it raises for what servers do."""
    match question.model.vendor:
        case "ollama":
            return _ollama(question, wire), RAISED
        case "openai":
            return _openai(question, wire), RAISED
        case name:
            vendor = plugged(name)
            wire.is_sent = True  # until its client tells how far it came
            return vendor.client(question, wire.hooks), (*RAISED, *vendor.raised)


def as_langchain(message: Mapping[str, Any]) -> BaseMessage:
    """Return one of our messages in LangChain's form; raise KeyError for an unknown role."""
    content = str(message.get("content") or "")
    if message["role"] == "tool":
        return ToolMessage(content, tool_call_id=str(message["tool_call_id"]))
    if message["role"] == "assistant":
        calls = [
            {"id": c["id"], "name": c["name"], "args": c["arguments"]}
            for c in message.get("tool_calls", ())
        ]
        return AIMessage(content, tool_calls=calls)
    kinds: dict[str, type[BaseMessage]] = {"system": SystemMessage, "user": HumanMessage}
    return kinds[message["role"]](content=content)


def _ollama(question: Question, wire: Wire) -> BaseChatModel:
    model = question.model
    return ChatOllama(
        model=model.name,
        base_url=model.base_url,
        num_ctx=question.window,
        num_predict=question.answer_tokens,
        reasoning=True if "reasoning" in model.capabilities else None,
        format=question.form,
        client_kwargs=options(model, question.deadline_s),
        async_client_kwargs={"event_hooks": wire.hooks},
    )


def _openai(question: Question, wire: Wire) -> BaseChatModel:
    model = question.model
    chat = _Chat(
        model=model.name,
        base_url=model.base_url,
        api_key=_key(model, question.api_key),
        timeout=timeout(question.deadline_s),
        max_retries=0,
        stream_usage=True,
        stream_chunk_timeout=None,  # `ask` watches over the whole call
        use_responses_api=False,
        max_completion_tokens=question.answer_tokens,
        # In the extra body, because the client would parse a `response_format` of its own.
        extra_body=_only(response_format=question.response_format),
        http_client=_unused(),
        http_async_client=openai.DefaultAsyncHttpxClient(
            **options(model, question.deadline_s),
            event_hooks=wire.hooks,
        ),
    )
    chat.async_client = _Completions(chat.async_client)
    return chat


def _key(model: Model, key: SecretStr | None) -> SecretStr:
    """Return what to show the server; raise WrongKeyError where a public one would want a key."""
    if key is None and not is_private(model.base_url):
        raise WrongKeyError(model.name, model.server, "there is none")
    return key or KEYLESS


@dataclass(frozen=True)
class _Completions:
    """OpenAI's completions, in chunks of plain JSON: some servers send content in parts.

    LangChain's own way to it warns of every such chunk.
    """

    client: Any

    async def create(self, **payload: Any) -> Any:
        return self._streamed(await self.client.create(**payload))

    @asynccontextmanager
    async def _streamed(self, stream: Any) -> AsyncIterator[AsyncIterator[Json]]:
        async with stream:
            yield (chunk.model_dump(warnings=False) async for chunk in stream)


class _Chat(ChatOpenAI):
    """ChatOpenAI that keeps what compatible servers say beside the content."""

    def _convert_chunk_to_generation_chunk(
        self, chunk: Json, default_chunk_class: type, base_generation_info: Json | None
    ) -> ChatGenerationChunk | None:
        made = super()._convert_chunk_to_generation_chunk(
            chunk, default_chunk_class, base_generation_info
        )
        choices = chunk.get("choices") or [{}]
        delta = choices[0].get("delta") or {}
        if made is not None:
            thought = delta.get("reasoning_content") or delta.get("reasoning")
            beside = {"reasoning_content": thought, "refusal": delta.get("refusal")}
            made.message.additional_kwargs |= {k: v for k, v in beside.items() if v}
        return made


def _only(**given: Any) -> Json | None:
    return {key: value for key, value in given.items() if value is not None} or None


@cache
def _unused() -> openai.DefaultHttpxClient:
    # Every client brings a synchronous one along; one for all is enough.
    return openai.DefaultHttpxClient(verify=tls())


def embeddings(model: Model, settings: Settings, wire: Wire) -> Embeddings:
    """Return a client for vectors; raise WrongKeyError where a public server would want a key."""
    limits = options(model, settings.memory.embedder_s)
    if model.vendor == "ollama":
        return OllamaEmbeddings(
            model=model.name,
            base_url=model.base_url,
            client_kwargs=limits,
            async_client_kwargs={"event_hooks": wire.hooks},
        )
    return OpenAIEmbeddings(
        model=model.name,
        base_url=model.base_url,
        api_key=_key(model, settings.openai.api_key),
        max_retries=0,
        check_embedding_ctx_length=False,  # it would fetch a tokenizer
        http_client=_unused(),
        http_async_client=openai.DefaultAsyncHttpxClient(**limits, event_hooks=wire.hooks),
    )
