import pytest
from hypothesis import given
from hypothesis import strategies as st

from agora.domain.prompt_diffs import diff, patched

LINES = st.lists(
    st.text(st.characters(codec="ascii", exclude_characters="\n\r\v\f\x1c\x1d\x1e\x85"))
)


@given(LINES, LINES)
def test_a_diff_makes_the_one_of_the_other(one: list[str], other: list[str]) -> None:
    old, new = "\n".join(one), "\n".join(other)
    if old.splitlines() == new.splitlines():
        assert diff(old, new) == ""
    else:
        assert patched(old, diff(old, new)) == "\n".join(new.splitlines())


def test_a_diff_of_another_prompt_does_not_fit() -> None:
    shown = diff("a\nb", "a\nc")
    with pytest.raises(ValueError, match="does not fit"):
        patched("a\nx", shown)
    with pytest.raises(ValueError, match="no.* unified diff|is not a unified diff"):
        patched("a\nb", "please")


def test_a_diff_shows_the_whole_prompt() -> None:
    old = "\n".join(f"line {n}" for n in range(40))
    shown = diff(old, f"{old}\nlast", "risk")
    assert " line 0" in shown.splitlines() and "+last" in shown.splitlines()
    assert shown.startswith("--- a/risk\n+++ b/risk\n")
