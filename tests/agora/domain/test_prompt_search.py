"""A search ends: where all is right that it may learn from, and where whoever counts says so."""

from collections.abc import Sequence

from agora.domain import prompt_search
from agora.domain.prompt_search import Attempt, Example, Found

HINT = "Count from one."


def examples(prefix: str, count: int) -> list[Example]:
    return [Example(id=f"{prefix}{number}", text="?") for number in range(count)]


class World:
    """A student who needs one sentence, and never gets what is named `slip` right."""

    def __init__(self) -> None:
        self.batches = self.rewritings = 0

    def attempt(self, text: str, batch: Sequence[Example]) -> list[Attempt]:
        self.batches += 1
        return [
            Attempt(score=float(HINT in text and not one.id.startswith("slip"))) for one in batch
        ]

    def rewrite(self, text: str, batch: Sequence[Example], how: Sequence[Attempt]) -> str:
        self.rewritings += 1
        return f"{text} {HINT}"

    def search(self, searched: list[Example], chosen_by: list[Example]) -> Found:
        def is_over() -> bool:
            assert self.batches < 200, "the search does not end"
            return self.rewritings >= 10

        return prompt_search.search(
            "Answer.", searched, chosen_by, self.attempt, self.rewrite, is_over
        )


def test_a_search_ends_where_nothing_that_it_learns_from_is_wrong_any_more() -> None:
    world = World()
    found = world.search(examples("s", 7), [*examples("c", 6), *examples("slip", 1)])
    assert HINT in found.text and found.before == 0 and found.score == 6 / 7
    assert world.rewritings < 10


def test_a_search_goes_on_while_something_is_wrong_until_it_is_over() -> None:
    world = World()
    found = world.search([*examples("s", 2), *examples("slip", 1)], examples("slip", 3))
    assert found.score == 0 and world.rewritings == 10
