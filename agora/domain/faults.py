"""What can go wrong with a model, by name; `diagnosis` finds the name of a client's exception.

Each message is one sentence with model and server, each hint a remedy.
"""

from typing import Self

from agora.domain.errors import AgoraError
from agora.domain.models import Spent


class ModelFault(AgoraError):
    """Base of the family: a model gave no answer that counts.

    `spent` and `text` are what had come by then; `retry_after_s` is what the server asked for.
    """

    says = "has failed"
    remedy = "`agora doctor` shows which models can be reached"
    is_retryable = False  # the same call may succeed a moment later
    opens_breaker = False  # no call can succeed until somebody changes something
    is_unhealthy = False  # counts against the server in a breaker's window
    is_answer = False  # the model was heard, and what it said counts against its expert

    def __init__(self, model: str, server: str, said: str = "", *, vendor: str = "openai") -> None:
        who = f"{model} at {server}" if model else f"the server at {server}"
        remedy = OLLAMA_REMEDIES.get(type(self), self.remedy) if vendor == "ollama" else self.remedy
        super().__init__(f"{who} {self.says}" + (f": {said}" if said else ""), remedy)
        self.hint = remedy.replace("{model}", model).replace("{key}", _key_of(vendor))
        self.model, self.server, self.said = model, server, said
        self.retry_after_s: float | None = None
        self.spent, self.text = Spent(), ""

    def after(self, spent: Spent, text: str = "") -> Self:
        """Note what the call had used up and said by then; return the fault itself."""
        self.spent, self.text = spent, text
        return self


class UnreachableError(ModelFault):
    """Nothing listens there, or its name is unknown."""

    says = "cannot be reached"
    remedy = "start the server, or correct ollama.host or openai.base_url"
    is_retryable = is_unhealthy = True


class TimedOutError(ModelFault):
    """No complete answer within the deadline."""

    says = "has not answered in time"
    remedy = "raise execution.deadline_s, or use a smaller or less busy model"
    is_retryable = is_unhealthy = True


class RateLimitedError(ModelFault):
    """The server wants fewer requests; `retry_after_s` says how long, when it is known."""

    says = "takes no more requests for now"
    remedy = "wait, or let other models share the work"
    is_retryable = is_unhealthy = True


class CreditSpentError(ModelFault):
    """The account behind the key has nothing left."""

    says = "has no credit left"
    remedy = "add credit to the vendor's account, or leave its models out of openai.models"
    opens_breaker = is_unhealthy = True


class WrongKeyError(ModelFault):
    """The server does not accept the key, or there is none."""

    says = "does not accept the key"
    remedy = "set {key} to a key that may use {model}"
    opens_breaker = is_unhealthy = True


class UnknownModelError(ModelFault):
    """The server does not have the model."""

    says = "is not known there"
    remedy = "correct openai.models or openai.base_url"
    opens_breaker = is_unhealthy = True


class UnpricedError(ModelFault):
    """The server offers models whose price is unknown, so that no budget could hold."""

    says = "offers models without a known price"
    remedy = "add their prices to models.yaml in Agora's data folder, or choose by openai.models"


class ContextOverflowError(ModelFault):
    """The prompt does not fit into the model's context."""

    says = "has too small a context for this prompt"
    remedy = "shorten the task or its documents, or use a model with a larger context"


class ServerFailedError(ModelFault):
    """The server answers with an error of its own."""

    says = "has failed on its side"
    remedy = "look into the server's log; its other models may still work"
    is_retryable = is_unhealthy = True


class CutShortError(ModelFault):
    """The connection broke before the answer was complete."""

    says = "broke the connection before the answer was complete"
    remedy = "look into the server's log: it may have run out of memory"
    is_retryable = is_unhealthy = True


class UnfinishedAnswerError(ModelFault):
    """The stream ended politely, but without a finish reason: nobody knows what is missing."""

    says = "stopped in mid-answer without saying why"
    remedy = "look into the server's log; a proxy may have cut the stream"
    is_retryable = is_unhealthy = True


class MalformedAnswerError(ModelFault):
    """What came is not what the protocol allows: broken JSON, a login page, a redirect."""

    says = "gave an answer that cannot be read"
    remedy = "check that ollama.host or openai.base_url names a model server, not a page or a proxy"
    is_unhealthy = True


class MisfitAnswerError(MalformedAnswerError):
    """The server works, but the model keeps neither to the schema nor to a tool's form."""

    says = "gave an answer that does not fit what was asked for"
    remedy = "use a model that keeps to schemas and tools, or ask again with the error shown"


class OutputLimitError(ModelFault):
    """The answer reached the limit of tokens before its end."""

    says = "reached the limit of its answer's length"
    remedy = "raise execution.answer_tokens, or ask for a shorter answer"
    is_answer = True


class EmptyAnswerError(ModelFault):
    """The model finished without a word and without a call."""

    says = "answered with nothing"
    remedy = "ask again in other words, or use another model"
    is_unhealthy = True


class NoToolsError(ModelFault):
    """Tools were offered to a model that cannot call any."""

    says = "cannot call tools"
    remedy = "remove tools from its capabilities in models.yaml, or use another model"


class ContentRefusedError(ModelFault):
    """The model, or its vendor's filter, will not answer this."""

    says = "refuses to answer this"
    remedy = "put the task differently, or let another model do it"
    is_answer = True


class RequestRefusedError(ModelFault):
    """The server does not accept the request as it is."""

    says = "does not accept the request"
    remedy = "correct the model's entry in models.yaml, such as its capabilities"


def _key_of(vendor: str) -> str:
    """Return the setting that a vendor's key comes from."""
    if vendor == "openai":
        return "openai.api_key (OPENAI_API_KEY)"
    return f"vendors.{vendor}.api_key (AGORA_VENDORS__{vendor.upper()}__API_KEY)"


OLLAMA_REMEDIES: dict[type[ModelFault], str] = {
    UnreachableError: "start it with `ollama serve`, or correct ollama.host (OLLAMA_HOST)",
    UnknownModelError: "fetch it with `ollama pull {model}`, or correct ollama.models",
    WrongKeyError: "set OLLAMA_API_KEY, or put user:password@ before the host in ollama.host",
}
