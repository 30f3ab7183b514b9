import pytest
from hypothesis import given
from hypothesis import strategies as st

from agora.domain import table
from agora.domain.contracts import Json

OUTCOMES = st.lists(
    st.tuples(st.sampled_from(["law", "physics"]), st.booleans(), st.integers(0, 500)),
    max_size=60,
)


def row(*outcomes: tuple[str, bool, int]) -> Json:
    found = table.NEW
    for outcome in outcomes:
        found = table.counted(found, *outcome)
    return found


@given(OUTCOMES)
def test_cells_add_up_to_the_row(outcomes: list[tuple[str, bool, int]]) -> None:
    found = row(*outcomes)
    assert table.tasks(found) == len(outcomes)
    for key in ("right", "wrong", "tokens"):
        assert found[key] == sum(cell[key] for cell in found["cells"].values())


@given(OUTCOMES)
def test_a_cell_stands_between_its_own_rate_and_the_bidders_mean(
    outcomes: list[tuple[str, bool, int]],
) -> None:
    found = row(*outcomes)
    law = [right for domain, right, _ in outcomes if domain == "law"]
    own = table.own_mean(found)
    rate = sum(law) / len(law) if law else own
    q, _ = table.success(found, {"law": 1.0}, 0.5, is_built_in=False)
    assert min(own, rate) - 1e-9 <= q <= max(own, rate) + 1e-9


def test_evidence_in_the_domain_counts_more_than_elsewhere() -> None:
    here = row(*[("law", True, 1)] * 50)
    n_here = table.success(here, {"law": 1.0}, 0.5, is_built_in=False)[1]
    n_elsewhere = table.success(here, {"physics": 1.0}, 0.5, is_built_in=False)[1]
    assert n_here > n_elsewhere > table.success(table.NEW, {"law": 1.0}, 0.5, False)[1]


def test_length_is_that_of_the_domain_and_a_strangers_is_the_default() -> None:
    found = row(*[("law", True, 400)] * 40, *[("physics", True, 40)] * 40)
    assert table.length(found, {"law": 1.0}, 100) == pytest.approx(400, rel=0.1)
    assert table.length(table.NEW, {"law": 1.0}, 100) == 100
