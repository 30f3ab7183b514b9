import pytest

from agora.domain.validity import validate


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        (" \n```\n```\n**", "empty"),
        ("<think>Let me see.</think>", "empty"),
        ("<think>Let me see", "empty"),
        ("I'm sorry, but I can't help with that.", "refusal"),
        ("I’m sorry, I cannot do this.", "refusal"),
        ("As an AI language model, I have no opinion.", "refusal"),
        ("I cannot.", "refusal"),
        ("I don't know.", "does not know"),
        ('{"name": "add", "arguments": {"a": 1}}', "tool call"),
        ('```json\n[{"name": "add", "parameters": {"a": 1}}]\n```', "tool call"),
        ('<tool_call>{"name": "add"}</tool_call>', "tool call"),
        ("add(a=1)", "tool call"),
        ("It is " + "so very " * 60, "repeats"),
        ("The answer: " + "0" * 400, "repeats"),
    ],
)
def test_a_reply_that_says_nothing_does_not_count(text: str, why: str) -> None:
    assert why in (validate(text, "stop", tools=["add"]) or "")


@pytest.mark.parametrize(
    "text",
    [
        "42",
        "-1",
        "{}",
        "<think>7 * 6</think>42",
        "I can't recommend pandas enough: it reads CSV.",
        "I can't help but notice that the index is off by one.",
        "Sorry for the confusion in the docs; the answer is 4.",
        "I don't know of a shorter way, but this one works: "
        + "sort the list, then take it. " * 3
        + "Here is how it is done in detail, with an example that you can run by yourself at home.",
        '{"name": "Ann", "age": 7}',
        '{"name": "greet", "arguments": "none", "doc": "an entry of a list that was asked for"}',
        "\n".join(f"| {n} | {n * n} |" for n in range(300)),
        "Call add(1, 2) to get 3.",
    ],
)
def test_an_answer_counts(text: str) -> None:
    assert validate(text, "stop", tools=["add"]) is None


@pytest.mark.parametrize(
    ("finish", "why"),
    [("length", "cut short (length)"), (None, "cut short"), ("", "cut short")]
    + [("content_filter", "content filter")],
)
def test_a_reply_without_a_proper_end_does_not_count(finish: str | None, why: str) -> None:
    assert why in (validate("The answer is forty-", finish) or "")


def test_without_tools_any_call_written_as_text_is_seen() -> None:
    assert validate('{"name": "add", "arguments": {}}', "stop")
