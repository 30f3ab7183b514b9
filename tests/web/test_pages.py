from agora.team import Team
from tests.visiting import Served

PATHS = ("/ /tasks /approvals /experts /tools /rooms /decisions /incidents /capabilities").split()


async def test_every_page_says_so_when_there_is_nothing_yet(pages: Served, team: Team) -> None:
    for path in PATHS:
        text = await pages.read(path)
        assert "<main" in text and "yet" in text, path
