from typing import Any

import numpy as np
import pytest

from agora.domain import lessons
from agora.domain.lessons import Lesson
from agora.domain.modelfiles import modelfile
from agora.domain.personal import depersonalised


def lesson(number: int, question: str = "", **more: Any) -> Lesson:
    given: dict[str, Any] = {"task_id": f"t{number}", "question": question or f"about {number}"}
    given |= {"answer": "yes", "expert": "e", "model": "m", "domain": "law", "weight": 0.3}
    return Lesson(**given | more)


def unit(*rows: tuple[float, ...]) -> Any:
    found = np.array(rows, dtype=np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def test_of_questions_that_ask_the_same_the_best_judged_one_stays() -> None:
    asked = [lesson(1, "why rain"), lesson(2, "why does it rain", weight=0.9), lesson(3, "why sun")]
    space = unit((1, 0), (1, 0.01), (0, 1))
    assert lessons.distinct(asked, space, 0.9) == [1, 2]


def test_questions_of_other_numbers_are_two() -> None:
    asked = [lesson(1, "what is 12 plus 5"), lesson(2, "what is 13 plus 8")]
    assert lessons.distinct(asked, unit((1, 0), (1, 0)), 0.9) == [0, 1]


def test_no_domain_has_many_times_as_many_as_the_median_one() -> None:
    asked = [lesson(n, domain="law") for n in range(50)]
    asked += [lesson(100 + n, domain=name) for name in ("art", "sea") for n in range(4)]
    kept = [asked[n].domain for n in lessons.balanced(asked, 3)]
    assert {name: kept.count(name) for name in set(kept)} == {"law": 12, "art": 4, "sea": 4}


def test_nothing_in_training_is_near_to_validation() -> None:
    dice = np.random.default_rng(1)
    asked = [lesson(n) for n in range(400)]
    space = unit(*dice.normal(size=(400, 6)).tolist())
    train, held = lessons.parted(asked, space, 0.1)
    assert 20 <= len(held) <= 70 and train
    assert (space[train] @ space[held].T).max() < lessons.NEAR
    assert lessons.near(train, held, space) == []


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("write to a.b+c@mail.example.org now", "write to [email] now"),
        ("call +49 30 1234567 today", "call [phone] today"),
        ("call (030) 1234567", "call [phone]"),
        ("pay to DE89 3704 0044 0532 0130 00", "pay to [account]"),
        ("card 4111 1111 1111 1111", "card [card]"),
        ("number 078-05-1120", "number [number]"),
        ("host 192.168.2.17 is down", "host [address] is down"),
        (
            "version 1.2.3 of 2024-03-05 costs 1,250.00",
            "version 1.2.3 of 2024-03-05 costs 1,250.00",
        ),
        ("listen on 127.0.0.1", "listen on 127.0.0.1"),
        ("card 4111 1111 1111 1112", "card 4111 1111 1111 1112"),
    ],
)
def test_personal_data_that_have_a_form_are_marked(text: str, left: str) -> None:
    assert depersonalised(text) == left
    assert depersonalised(left) == left


def test_a_modelfile_names_base_and_adapter() -> None:
    text = modelfile("qwen3:0.6b", "./adapter", 'Be """brief""".', 2048)
    assert text.splitlines()[:2] == ["FROM qwen3:0.6b", "ADAPTER ./adapter"]
    assert "PARAMETER num_ctx 2048" in text and text.count('"""') == 2
    with pytest.raises(ValueError, match="cannot stand"):
        modelfile("a model", "./adapter")
