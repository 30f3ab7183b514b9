"""The team at work: where the domain and what it remembers meet.

Nodes, the command line, pages and tests ask the team; tests/test_shape.py sees that nothing below
does.
"""

import asyncio
import os
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from agora.domain.settings import Settings, load
from agora.domain.signing import Signer
from agora.team.acting import Acting, Policy
from agora.team.changing import Changing
from agora.team.holding import Holding
from agora.team.watching import Watching
from memory.database import Database, choose_postgres
from memory.decisions import Decisions


@dataclass(frozen=True)
class Team:
    """The collaborators a node may ask."""

    settings: Settings
    database: Database
    holding: Holding
    acting: Acting
    watching: Watching
    changing: Changing


def assemble(settings: Settings, policy: Policy) -> Team:
    """Join the collaborators without opening a connection."""
    database = Database(choose_postgres(settings), settings.database.connections)
    acting = Acting(database, policy, Decisions(Signer(settings.folder / "keys")))
    watching = Watching(database, settings.repair)
    return Team(
        settings=settings,
        database=database,
        holding=Holding(database),
        acting=acting,
        watching=watching,
        changing=Changing(database, acting, watching),
    )


# Connections belong to the event loop that opened them; a server and a test have different ones.
_teams: WeakKeyDictionary[asyncio.AbstractEventLoop, Team] = WeakKeyDictionary()


def current() -> Team:
    """Return the team of the running event loop, assembled when its first node asks."""
    loop = asyncio.get_running_loop()
    if loop not in _teams:
        from agora.domain.policy import Policy as Cedar

        _teams[loop] = assemble(load(os.environ), Cedar.load())
    return _teams[loop]
