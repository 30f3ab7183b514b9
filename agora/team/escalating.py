"""Escalating: an act that a policy leaves to a person is asked for, once, and waits."""

from collections.abc import Sequence
from hashlib import sha256

from agora.domain.contracts import Act, Case
from agora.domain.errors import AgoraError, PersonAskedError, UnansweredError
from agora.domain.signing import canonical
from memory import escalations
from memory.database import Database, Row

PERMIT = "permit_act"


async def appeal(database: Database, here: Case, act: Act, reasons: Sequence[str]) -> Row:
    """Return what a person has said of an act, asking if that was not done yet.

    Its `type` is None until somebody has answered. Outside of a graph an answer is used up.
    """
    one = _id_of(here, act)
    async with database.transaction() as connection:
        known = await escalations.find(connection, one)
        is_lasting = here.token is not None
        if known and known["type"] and (is_lasting or await escalations.use(connection, one)):
            return known | {"is_new": False}
        is_new = await escalations.ask(connection, one, here, act, list(reasons))
    return {"id": one, "type": None, "is_new": is_new, "reasons": list(reasons)}


async def unanswered(database: Database, here: Case, act: Act, asked: Row) -> AgoraError:
    """Return the error that stops an act until a person has answered."""
    said = f"{act.kind} {act.subject} needs a person's yes: {'; '.join(asked['reasons'])}"
    if here.token is None:
        return UnansweredError(said, f"agora approvals approve {asked['id']}, then again")
    shown = {"id": asked["id"], "act": act.as_json(), "reasons": asked["reasons"]}
    action = {"name": PERMIT, "args": shown, "description": said}
    config = {"action_name": PERMIT, "allowed_decisions": ["approve", "reject"]}
    async with database.autocommit() as connection:
        before = await escalations.answered_before(connection, here)
    request = {"action_requests": [action], "review_configs": [config]}
    return PersonAskedError(str(asked["id"]), request, before)


def _id_of(here: Case, act: Act) -> str:
    """Return the name of what a person is asked: this act in its place, or any equal one."""
    what = act.model_dump(mode="json", include={"kind", "subject", "actor", "facts"})
    where = "" if here.token is None else act.key(here)
    return sha256(canonical([where, what]).encode()).hexdigest()[:12]
