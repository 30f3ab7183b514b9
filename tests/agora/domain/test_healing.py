from agora.domain.healing import RULES, Course, Rule, Step, step, verdict

RULE = Rule(("first", "second"), after=2, clear=2, tries=1, patience=2)


def course(looks: str, rule: Rule = RULE) -> list[Step]:
    """Return what follows from each look: b is bad, g is good."""
    steps: list[Step] = []
    now = Course()
    for look in looks:
        steps.append(step(now, rule, look == "b"))
        now = steps[-1].course
    return steps


def test_one_bad_look_is_no_incident_where_two_are_needed() -> None:
    assert not any(one.opens for one in course("bgbgb"))
    assert [one.opens for one in course("bb")] == [False, True]


def test_an_incident_begins_with_its_first_remedy_and_goes_on_to_the_next() -> None:
    assert [one.remedy for one in course("bbbbbb")] == ["", "first", "", "second", "", ""]


def test_a_person_is_told_once_when_remedies_are_used_up() -> None:
    told = [one.tells for one in course("b" * 12)]
    assert told.index(True) == 5 and sum(told) == 1


def test_it_is_over_after_enough_good_looks_and_not_before() -> None:
    assert not any(one.closes for one in course("bbgb"))
    assert [one.closes for one in course("bbgg")] == [False, False, False, True]


def test_what_a_remedy_in_force_holds_off_needs_nobody() -> None:
    assert not any(one.tells for one in course("b" * 20, RULES["dead_model"]))
    assert any(one.tells for one in course("b" * 20, RULES["database_gone"]))


def test_how_it_ended_says_who_has_mended_it() -> None:
    assert verdict(course("bbg")[-1].course) == "healed"
    assert verdict(course("b" * 8)[-1].course) == "told"
    assert verdict(Course(is_open=True)) == "passed"


def test_a_course_can_be_kept_and_read_again() -> None:
    from dataclasses import asdict

    kept = course("bbb")[-1].course
    assert Course.read(asdict(kept)) == kept
