"""Prompting: which version of its prompt each expert works with, and how production is moved.

The files of prompts/experts are seeds: what a file says is a version, and is in production until
something better has been proved.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import yaml

import prompts as files
from agora.domain import experts, prompt_diffs
from agora.domain.contracts import ActKind, ActOutcome, Change, Json
from agora.domain.errors import AgoraError, BaseMovedError, UsageError
from agora.domain.experts import Expert
from memory import prompts
from memory.database import Database, Row, Rows

FILE, STUDIO = "file", "studio"
KIND = "prompt"
"""What changes and trials of prompts are called."""


class AlteredPromptError(AgoraError):
    """A version's text is no longer the one that its hash stands for."""


@cache
def declared() -> tuple[Expert, ...]:
    """Return the experts that prompts/experts declares, as their files say them."""
    return tuple(
        experts.parse(f"prompts/experts/{one.name}.md", one.name, one.matter, one.body)
        for one in files.load_all("experts")
    )


@dataclass
class Prompting:
    """Versions and channels. It is also the `Subject` of changes of kind "prompt"."""

    database: Database
    act: ActKind = "promote_prompt"
    is_inside: bool = True
    _current: tuple[Expert, ...] = ()
    _texts: dict[tuple[str, int], str] = field(default_factory=dict)
    _promoted: frozenset[str] = frozenset()
    _is_seeded: bool = False

    def experts(self) -> Sequence[Expert]:
        """Return the declared experts with the prompts that were in production when last asked."""
        return self._current or declared()

    def is_promoted(self, expert: str) -> bool:
        """Return whether what is in production was promoted, and so may have to be taken back."""
        return expert in self._promoted

    async def refresh(self) -> None:
        """Ask what is in production now; a task does so once, at its beginning."""
        seeds = await asyncio.to_thread(declared)
        if not self._is_seeded:
            await self._seed(seeds)
        async with self.database.autocommit() as connection:
            now, self._promoted = await prompts.standing(connection)
            if all(now.get(one.name) == one.version for one in self._current) and self._current:
                return
            await self._load(connection, now)
        self._current = tuple(self._at(one, now[one.name]) for one in seeds)

    async def pinned(self, expert: Expert, versions: Mapping[str, int]) -> Expert:
        """Return the expert with the version that a task began with."""
        wanted = versions.get(expert.name, expert.version)
        if wanted == expert.version or not expert.models:
            return expert
        if (expert.name, wanted) not in self._texts:
            async with self.database.autocommit() as connection:
                await self._load(connection, {expert.name: wanted})
        return self._at(expert, wanted)

    async def overridden(self, wordings: Mapping[str, str]) -> dict[str, int]:
        """Keep wordings that somebody wants for one run; return the versions that they are.

        Raises UsageError for what no prompt can be. What the file says is no wish of its own: a
        form sends it along unasked.
        """
        seeds = {one.name: one.system for one in declared()}
        wanted = {name: text.strip() for name, text in wordings.items() if text.strip()}
        wanted = {name: text for name, text in wanted.items() if text != seeds[name].strip()}
        if long := [name for name, text in wanted.items() if len(text) > 50_000]:
            raise UsageError(f"the prompt of {long[0]} is longer than 50,000 characters")
        async with self.database.transaction() as connection:
            return {
                name: await prompts.add(
                    connection, name, text, parent=None, author=STUDIO, reason="for one run"
                )
                for name, text in sorted(wanted.items())
            }

    async def text(self, expert: str, version: int) -> str:
        """Return the text of a version; raise UsageError."""
        return str((await self.version(expert, version))["text"])

    async def version(self, expert: str, version: int) -> Row:
        """Return a version; raise UsageError."""
        async with self.database.autocommit() as connection:
            row = await prompts.find(connection, expert, version)
        if row is None:
            raise UsageError(
                f"{expert} has no prompt version {version}", f"agora prompts history {expert}"
            )
        return _sound(row)

    async def channels(self) -> dict[str, dict[str, int]]:
        """Return what each channel of each expert points at."""
        await self.refresh()
        async with self.database.autocommit() as connection:
            return await prompts.channels(connection)

    async def production(self, expert: str) -> int:
        """Return the version of an expert that is in production; raise UsageError."""
        known = (await self.channels()).get(expert)
        if known is None:
            names = ", ".join(one.name for one in declared())
            raise UsageError(f"there is no expert {expert} with a prompt", f"there are {names}")
        return known["production"]

    async def history(self, expert: str) -> tuple[list[Row], list[Row]]:
        """Return all versions of an expert, and how production was moved; both oldest first."""
        await self.production(expert)
        async with self.database.autocommit() as connection:
            return await prompts.versions(connection, expert), await prompts.moves(
                connection, expert
            )

    async def propose(
        self, expert: str, text: str, parent: int, author: str, reason: str, figures: Json
    ) -> int:
        """Keep a candidate, and let staging point at it; return its version."""
        async with self.database.transaction() as connection:
            version = await prompts.add(
                connection, expert, text, parent=parent, author=author, reason=reason
            )
            await prompts.point(connection, expert, "staging", version)
            told: Json = {"by": author, "reason": reason, "figures": figures}
            await prompts.note(connection, expert, "staged", before=parent, after=version, **told)
        return version

    async def give_up(self, expert: str, version: int, reason: str, figures: Json) -> None:
        """Let staging point at nothing: the candidate was not better."""
        async with self.database.transaction() as connection:
            if await prompts.pointed(connection, expert, "staging") == version:
                await prompts.clear(connection, expert, "staging")
                told: Json = {"by": "agora", "reason": reason, "figures": figures}
                await prompts.note(
                    connection, expert, "dropped", before=version, after=None, **told
                )

    async def export(self, folder: Path) -> list[str]:
        """Write what is in production as files of prompts/experts; return their names."""
        await self.refresh()
        written = {f"{one.name}.md": _as_file(one) for one in self.experts()}

        def write() -> None:
            folder.mkdir(parents=True, exist_ok=True)
            for name, text in written.items():
                (folder / name).write_text(text, "utf-8")

        await asyncio.to_thread(write)
        return sorted(written)

    async def standing_on(self, expert: str) -> tuple[int, str | None]:
        """Return the version in production, and the change that brought it in; None: none did.

        Raises UsageError for an expert that there is not.
        """
        async with self.database.autocommit() as connection:
            now = await prompts.pointed(connection, expert, "production")
            moves = await prompts.moves(connection, expert)
        version = now or await self.production(expert)
        moved = [one for one in moves if one["kind"] not in ("staged", "dropped")]
        last = next((move for move in reversed(moved) if move["after"] == version), None)
        return version, str(last["by"]) if last and last["kind"] == "promoted" else None

    # What a change of kind "prompt" is: its place is the expert, its state the version.

    async def head(self, place: str) -> str:
        """Return the version in production."""
        async with self.database.autocommit() as connection:
            return str(await prompts.pointed(connection, place, "production"))

    async def apply(self, change: Change) -> ActOutcome:
        """Move production to what the diff makes of its base: all of it or nothing."""
        expert, base = change.workspace, int(change.base)
        try:
            text = prompt_diffs.patched(await self.text(expert, base), change.diff)
        except ValueError as error:
            raise BaseMovedError(f"the diff {error}: {expert} is at version {base}") from None
        async with self.database.transaction() as connection:
            after = await prompts.add(
                connection, expert, text, parent=base, author="person", reason=change.title
            )
            if not await prompts.switch(connection, expert, base, after):
                raise BaseMovedError(f"the prompt of {expert} has moved on from version {base}")
            await self._note(connection, change, base, after)
        return ActOutcome(result={"commit": str(after)})

    async def _note(self, connection: Rows, change: Change, before: int, after: int) -> None:
        """Write down the move; what was in production is one step back from here."""
        kind = "rolled_back" if change.takes_back else "promoted"
        told: Json = {"by": change.id, "reason": change.title, "before": before, "after": after}
        async with connection.pipeline():
            await prompts.clear(connection, change.workspace, "staging", "previous")
            if not change.takes_back:
                await prompts.point(connection, change.workspace, "previous", before)
            await prompts.note(connection, change.workspace, kind, **told)

    async def finish(self, change: Change) -> ActOutcome | None:
        """Look whether a dead holder has moved production: it did so in one transaction."""
        async with self.database.autocommit() as connection:
            moves = await prompts.moves(connection, change.workspace)
        done = next((move for move in moves if move["by"] == change.id), None)
        return ActOutcome(result={"commit": str(done["after"])}) if done else None

    async def reversal(self, place: str, applied: str) -> str:
        """Return the diff from a version back to what was in production before it."""
        async with self.database.autocommit() as connection:
            moves = await prompts.moves(connection, place)
        promoted = (move for move in reversed(moves) if move["kind"] == "promoted")
        before = next((one["before"] for one in promoted if str(one["after"]) == applied), None)
        if before is None:
            raise UsageError(f"version {applied} of {place} was never promoted")
        now, then = [await self.text(place, number) for number in (int(applied), before)]
        return prompt_diffs.diff(now, then, place)

    async def _seed(self, seeds: Sequence[Expert]) -> None:
        for one in seeds:
            async with self.database.transaction() as connection:
                await _seed_one(connection, one)
        self._is_seeded = True

    async def _load(self, connection: Rows, wanted: Mapping[str, int]) -> None:
        missing = {name: v for name, v in wanted.items() if (name, v) not in self._texts}
        for row in await prompts.texts(connection, missing) if missing else ():
            self._texts[row["expert"], row["version"]] = _sound(row)["text"]

    def _at(self, expert: Expert, version: int) -> Expert:
        text = self._texts.get((expert.name, version))
        if text is None:
            raise UsageError(f"{expert.name} has no prompt version {version}")
        return expert.but(system=text, version=version)


async def _seed_one(connection: Rows, expert: Expert) -> None:
    """Keep what a file says; production follows the file as long as nothing else was promoted."""
    version = await prompts.add(
        connection, expert.name, expert.system, parent=None, author=FILE, reason="the file says so"
    )
    now = await prompts.pointed(connection, expert.name, "production")
    if now == version:
        return
    known = await prompts.find(connection, expert.name, now) if now else None
    if known is None or known["author"] == FILE:
        await prompts.point(connection, expert.name, "production", version)
        told: Json = {"by": FILE, "reason": "the file says so"}
        await prompts.note(connection, expert.name, "seeded", before=now, after=version, **told)


def _sound(row: Row) -> Row:
    if prompts.digest_of(row["text"]) != row["digest"]:
        raise AlteredPromptError(
            f"version {row['version']} of {row['expert']} was altered in the database",
            "roll back: agora prompts rollback",
        )
    return row


def _as_file(expert: Expert) -> str:
    """Return an expert as its file would declare it: what its own says, with this wording."""
    own = files.load(f"experts/{expert.name}")
    matter = yaml.safe_dump(own.matter | {"version": expert.version}, sort_keys=False)
    return f"---\n{matter}---\n{expert.system}\n"
