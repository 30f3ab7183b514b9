"""The team at work: where the domain and what it remembers meet.

Nodes, the command line, pages and tests ask the team; tests/test_shape.py sees that nothing below
does.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from agora.domain.embedders import choose_embedder
from agora.domain.settings import Settings, load
from agora.domain.signing import Signer
from agora.team.acting import Acting
from agora.team.admission import Admission
from agora.team.alerting import Alerting
from agora.team.answering import Answering
from agora.team.appealing import Appealing
from agora.team.architecting import Architecting
from agora.team.asking import Asking
from agora.team.assessing import Assessing
from agora.team.calibrating import Calibrating
from agora.team.capabilities import Capabilities
from agora.team.changing import Changing
from agora.team.claiming import Claiming
from agora.team.clocks import Clock, system
from agora.team.comparing import Comparing
from agora.team.constructing import Constructing
from agora.team.distilling import Distilling
from agora.team.gating import Gating
from agora.team.governing import Governing
from agora.team.hearing import Hearing
from agora.team.holding import Holding
from agora.team.indexing import Indexing
from agora.team.judging import Judging
from agora.team.learning import Learning
from agora.team.library import Library
from agora.team.looping import Looping
from agora.team.maintaining import Maintaining
from agora.team.market import Market
from agora.team.meeting import Meeting
from agora.team.minutes import Minutes
from agora.team.mirroring import Mirroring
from agora.team.monitoring import Monitoring
from agora.team.pacing import Pacing
from agora.team.planning import Planning
from agora.team.promoting import Promoting
from agora.team.prompting import Prompting, declared
from agora.team.proposing import Proposing
from agora.team.proven import Proven
from agora.team.proving import Proving
from agora.team.pulsing import Pulsing
from agora.team.recalling import Recalling
from agora.team.registering import Registering
from agora.team.remembering import Remembering
from agora.team.repairing import Repairing
from agora.team.scouting import Scouting
from agora.team.searching import Searching
from agora.team.seating import Seating
from agora.team.solving import Solving
from agora.team.speeding import Speeding
from agora.team.stream import Stream
from agora.team.subjects import Subject, Workspaces
from agora.team.synthesising import Synthesising
from agora.team.testing import Testing
from agora.team.tooling import Tooling
from agora.team.trying import Trying
from agora.team.verifying import Verifying
from agora.team.watching import Watching
from memory.chroma import choose_chroma
from memory.database import Database, choose_postgres
from memory.decisions import Decisions
from memory.deliveries import choose_delivery
from memory.index import Index


@dataclass(frozen=True, repr=False)  # all that they hold would be megabytes
class Team:
    """The collaborators a node may ask."""

    settings: Settings
    clock: Clock
    database: Database
    stream: Stream
    holding: Holding
    acting: Acting
    alerting: Alerting
    market: Market
    indexing: Indexing
    recalling: Recalling
    remembering: Remembering
    scouting: Scouting
    answering: Answering
    planning: Planning
    synthesising: Synthesising
    comparing: Comparing
    meeting: Meeting
    learning: Learning
    calibrating: Calibrating
    pulsing: Pulsing
    tooling: Tooling
    watching: Watching
    registering: Registering
    changing: Changing
    proving: Proving
    prompting: Prompting
    promoting: Promoting
    trying: Trying
    architecting: Architecting
    distilling: Distilling
    mirroring: Mirroring
    solving: Solving
    repairing: Repairing
    monitoring: Monitoring
    capabilities: Capabilities
    looping: Looping
    maintaining: Maintaining

    async def close(self) -> None:
        """Close whatever was opened; what was begun in the index is another's from here on."""
        await self.stream.delivery.close()
        await self.indexing.close()
        await self.database.close()


def assemble(settings: Settings, clock: Clock = system) -> Team:
    """Join the collaborators without opening a connection."""
    stated = settings.database
    database = Database(choose_postgres(settings), stated.connections, stated.wait_s)
    policy = Governing.load(settings)
    decisions = Decisions(Signer(settings.folder / "keys"))
    acting = Acting(database, policy, decisions, settings.policy.rates)
    alerting = Alerting(settings, database, acting, clock)
    watching = Watching(database, settings.repair, clock)
    prompting, proving = Prompting(database), Proving(database)
    subjects: dict[str, Subject] = {"patch": Workspaces(), "prompt": prompting}
    changing = Changing(database, acting, watching, subjects)
    promoting = Promoting(settings.learning, changing, proving, prompting, clock)
    library, tooling = Library(acting, settings.secrets), Tooling(settings, acting, watching)
    admission = Admission(settings, database, policy, clock)
    market = Market(settings, database, admission, library, prompting, clock)
    stream = Stream(database, choose_delivery(settings, database), settings.stream)
    asking = Asking(settings, acting, admission)
    index, embedder = Index(choose_chroma(settings)), choose_embedder(settings)
    indexing = Indexing(settings, database, acting, admission, index, embedder)
    judging = Judging(settings.memory, asking, market)
    recalling = Recalling(database, settings.memory, acting, indexing, judging)
    remembering = Remembering(settings, database, market, indexing, recalling)
    answering = Answering(settings, database, asking, market, library, tooling)
    registering = Registering(
        settings, database, acting, tooling, changing, indexing, alerting, clock
    )
    learning = Learning(settings, database, market, recalling, remembering, watching, promoting)
    assessing = Assessing(settings.learning, database, asking, market)
    proven = Proven(proving, settings.memory.pulse_s)
    pacing = Pacing(settings.plan, database)
    planning = Planning(
        settings.plan, database, answering, asking, market, learning, proven, pacing
    )
    synthesising = Synthesising(answering, asking, market)
    meeting = _meeting(settings, database, acting, asking, market, library, stream, tooling)
    solving = Solving(settings.repair, database, watching, changing, proving)
    proposing = Proposing(settings, database, asking, market)
    return Team(
        settings=settings,
        clock=clock,
        database=database,
        stream=stream,
        holding=Holding(database),
        acting=acting,
        alerting=alerting,
        market=market,
        indexing=indexing,
        recalling=recalling,
        remembering=remembering,
        scouting=Scouting(settings, database, acting, market, judging, recalling, clock),
        answering=answering,
        planning=planning,
        synthesising=synthesising,
        comparing=Comparing(settings.plan, database, planning, synthesising, assessing, proving),
        meeting=meeting,
        learning=learning,
        calibrating=Calibrating(settings, database, asking, market),
        pulsing=Pulsing(settings, database, stream, market, asking),
        tooling=tooling,
        watching=watching,
        registering=registering,
        changing=changing,
        proving=proving,
        prompting=prompting,
        promoting=promoting,
        trying=Trying(settings.learning, database, answering, assessing, proving, remembering),
        architecting=Architecting(
            settings.learning,
            database,
            acting,
            asking,
            assessing,
            market,
            prompting,
            promoting,
            proving,
            watching,
        ),
        distilling=Distilling(settings, database, acting, indexing, market, proving, clock),
        mirroring=Mirroring(settings.learning, database, acting),
        solving=solving,
        repairing=_repairing(
            settings,
            database,
            acting,
            watching,
            changing,
            solving,
            proposing,
            meeting,
            tooling,
            clock,
        ),
        monitoring=Monitoring(settings, database, stream, market, indexing, clock),
        capabilities=Capabilities(settings, database, acting, clock),
        looping=Looping(settings, database, watching, alerting, clock),
        maintaining=Maintaining(settings, database, acting, registering, watching, clock),
    )


def _repairing(
    settings: Settings,
    database: Database,
    acting: Acting,
    watching: Watching,
    changing: Changing,
    solving: Solving,
    proposing: Proposing,
    meeting: Meeting,
    tooling: Tooling,
    clock: Clock,
) -> Repairing:
    constructing = Constructing(database, acting, proposing)
    testing = Testing(settings, acting)
    speeding = Speeding(settings, acting, watching, changing, solving, proposing, tooling, testing)
    return Repairing(
        settings=settings,
        watching=watching,
        changing=changing,
        solving=solving,
        proposing=proposing,
        meeting=meeting,
        constructing=constructing,
        testing=testing,
        claiming=Claiming(watching, changing, testing),
        searching=Searching(settings, acting, watching, changing, solving, proposing, testing),
        gating=Gating(settings, acting, watching, changing, constructing, testing, speeding),
        speeding=speeding,
        clock=clock,
    )


def _meeting(
    settings: Settings,
    database: Database,
    acting: Acting,
    asking: Asking,
    market: Market,
    library: Library,
    stream: Stream,
    tooling: Tooling,
) -> Meeting:
    hearing = Hearing(settings.room, database, asking, market, library, market.clock)
    seating, minutes = Seating(settings.room, database, market), Minutes(database, acting)
    verifying = Verifying(tooling)
    appealing = Appealing(database, acting)
    return Meeting(settings.room, database, seating, hearing, minutes, appealing, stream, verifying)


# Connections belong to the event loop that opened them; a server and a test have different ones.
_teams: WeakKeyDictionary[asyncio.AbstractEventLoop, Team] = WeakKeyDictionary()


async def prepare() -> None:
    """Assemble the team of the running event loop in a thread: it reads files, and others wait."""
    loop = asyncio.get_running_loop()
    if loop not in _teams:
        _teams.setdefault(loop, await asyncio.to_thread(_read))


def _read() -> Team:
    declared()  # read once a process: whoever asks first must not read in the event loop
    return assemble(load(os.environ))


def current() -> Team:
    """Return the team of the running event loop, assembled when its first node asks."""
    loop = asyncio.get_running_loop()
    if loop not in _teams:
        _teams[loop] = assemble(load(os.environ))
    return _teams[loop]


@asynccontextmanager
async def opened() -> AsyncIterator[Team]:
    """Yield the team of the running event loop; its connections end with the block."""
    team = current()
    try:
        yield team
    finally:
        await team.close()
