"""Everything Agora raises on purpose: named after what happened, with the exit code it ends in.

A message is one sentence: what is wrong, and where. `hint` is another: what to do about it.
"""

from typing import Any


class AgoraError(RuntimeError):
    """Base of the family. LangGraph's default RetryPolicy does not retry a RuntimeError."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    code = "agora"
    """The error's name in the words of a JSON reader, such as `claim_held`."""

    def __init_subclass__(cls) -> None:
        """Name every kind of error after its class."""
        name = cls.__name__.removesuffix("Error")
        cls.code = "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


class UsageError(AgoraError):
    """The command or its arguments cannot be used as they are."""

    exit_code = 2


class SettingsError(UsageError):
    """A setting is unknown or its value is not allowed."""


class DatabaseError(AgoraError):
    """PostgreSQL cannot be reached or started."""

    exit_code = 2


class ClaimHeldError(AgoraError):
    """Another run works on this thread, or has already carried it further."""


class ClaimLostError(AgoraError):
    """The thread was taken over while we worked on it: nothing of ours may count any more."""


class OutsideOfActError(AgoraError):
    """Something that reaches outside was called without a decision, a reservation and a record."""


class RefusedError(AgoraError):
    """The policy denies the act."""

    exit_code = 4


class BudgetSpentError(RefusedError):
    """The act would exceed the cap of a budget."""


class RateReachedError(BudgetSpentError):
    """So many acts were begun lately that the next one must wait."""


class UnansweredError(RefusedError):
    """The policy wants a person's yes, and nobody has said anything yet."""

    exit_code = 3


class PersonAskedError(AgoraError):
    """The policy wants a person's yes: the stage waits for it, and then goes on."""

    exit_code = 3

    def __init__(self, one: str, request: dict[str, Any], before: int) -> None:
        action = request["action_requests"][0]
        super().__init__(action["description"], f"agora approvals approve {one}")
        self.id, self.request, self.before = one, request, before


class NobodyCanError(AgoraError):
    """No expert is able or allowed to do the task."""


class UndecidableActError(AgoraError):
    """An act's holder died, and nobody can tell whether it took effect: a person must look."""


class WorkspaceError(UsageError):
    """The folder cannot be worked on as it is; nothing was touched."""


class BaseMovedError(AgoraError):
    """The workspace has other commits than those the change was proved on: test it again."""


class DirtyWorkspaceError(WorkspaceError):
    """Somebody has uncommitted work where the change would go; nothing was touched."""


class SandboxMissingError(UsageError):
    """Unknown code would have to run, and there is nothing to hold it."""


class SandboxFailedError(AgoraError):
    """The sandbox itself did not work: no verdict, neither a pass nor a failure."""


class ChildKilledError(AgoraError):
    """Somebody has killed git or a sandbox at work: a look tells what it had done by then."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "look for what kills processes, such as a lack of memory")


class OverdueTestsError(SandboxFailedError):
    """The tests take longer than they may: of these files there will be no verdict."""
