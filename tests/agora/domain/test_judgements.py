import pytest

from agora.domain.judgements import Judgement, Origin, verdict


def said(source: Origin, is_right: bool) -> Judgement:
    return Judgement(source=source, is_right=is_right)


def test_nobody_has_judged() -> None:
    assert verdict([]) is None


def test_that_a_form_is_right_says_little() -> None:
    passed = said("validator", True)
    assert verdict([passed]) is True
    for other in (said("judge", False), said("person", False), said("tests", False)):
        assert verdict([passed, other]) is False


@pytest.mark.parametrize("source", ["tests", "validator"])
def test_what_is_certain_is_not_talked_away_by_one_voice(source: Origin) -> None:
    certain = said(source, False)
    assert verdict([certain, said("person", True)]) is False
    assert verdict([certain, said("judge", True)]) is False


def test_a_person_is_believed_before_a_model() -> None:
    assert verdict([said("person", True), said("judge", False)]) is True
    assert verdict([said("person", False), said("judge", True), said("validator", True)]) is False
