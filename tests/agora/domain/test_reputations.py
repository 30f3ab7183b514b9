import pytest

from agora.domain.reputations import empty, needs_nobody, step


@pytest.mark.parametrize(
    ("ahead", "behind", "both", "proved"),
    [
        (20, 5, 40, True),
        (5, 20, 40, False),
        (13, 8, 40, False),  # by chance alone it would be as far ahead now and then
        (0, 0, 90, False),
        (20, 0, 5, False),  # too few meetings to say
    ],
)
def test_the_best_needs_nobody_only_where_it_has_proved_better_alone(
    ahead: int, behind: int, both: int, proved: bool
) -> None:
    state = empty()
    for best, vote in [(True, False)] * ahead + [(False, True)] * behind + [(True, True)] * both:
        told = {"votes": {"a": best}, "domain": "general", "best": "a"}
        state = step(state, told | {"best_right": best, "vote_right": vote})
    assert needs_nobody(state, "a") is proved
    assert not needs_nobody(state, "b")
