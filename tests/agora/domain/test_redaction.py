import time

import pytest

from agora.domain.redaction import MARK, redact

CANARIES = [
    ("key AKIAIOSFODNN7EXAMPLE here", "AKIAIOSFODNN7EXAMPLE"),
    ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "ghp_abc"),
    ("github_pat_11ABCDEFG0abcdefghijkl", "github_pat_11"),
    ("xoxb-1234567890-abcdefghij", "xoxb-1234567890"),
    ("https://hooks.slack.com/services/T000/B000/XXXXXXXX", "T000/B000"),
    ("sk-proj-abcdefghij1234567890", "abcdefghij1234567890"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "c2lnbmF0dXJl"),
    ("Authorization: Bearer abc123456789", "abc123456789"),
    ("Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
    ("postgresql://ann:p@ssw0rd@db:5432/x", "p@ssw0rd"),
    ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "MIIE"),
    ("-----BEGIN PRIVATE KEY-----\nMIIE and no end", "MIIE"),
    ("DB_PASSWORD=hunter22", "hunter22"),
    ('{"client_secret": "two words"}', "two words"),
    ("aws_secret_access_key = wJalrXUtnFEMIK7MDENGbPxRfiCY", "wJalr"),
    ("GET /x?api_key=12345&b=2", "12345"),
]


@pytest.mark.parametrize(("text", "secret"), CANARIES)
def test_a_secret_is_found_by_its_shape(text: str, secret: str) -> None:
    assert secret not in redact(text)
    assert MARK in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "max_tokens=300, tokens: 4000",
        "token = request.headers['x']",
        "def login(token: str, password: str | None = None)",
        "pip install scikit-learn; sk-learn-like-names-are-fine",
        "mail ann@example.org about bearer certificates",
        "http://localhost:8080/a@b",
        "git@github.com:ann/tools.git",
    ],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


def test_whatever_is_nested_is_searched_and_shapes_are_kept() -> None:
    nested = {"a": [("x", "sek/ret1"), 3, None], "apiKey": "zz", "max_tokens": "9", "sek/ret1": 1.5}
    assert redact(nested, ["sek/ret1"]) == {
        "a": [("x", MARK), 3, None],
        "apiKey": MARK,
        "max_tokens": "9",
        MARK: 1.5,
    }


def test_exact_values_are_found_as_urls_and_json_write_them() -> None:
    assert redact("q=sek%2Fret%221", ['sek/ret"1']) == f"q={MARK}"
    assert redact(r'{"a": "sek/ret\"1"}', ['sek/ret"1']) == f'{{"a": "{MARK}"}}'
    assert redact("a bc", ["", "a"]) == "a bc"
    assert redact(redact("a redacted b", ["redacted"]), ["redacted"]) == "a redacted b"


@pytest.mark.parametrize(("text", "secret"), CANARIES)
def test_twice_is_the_same_as_once(text: str, secret: str) -> None:
    assert redact(redact(text, [secret]), [secret]) == redact(text, [secret])
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize(
    "piece",
    ["a", "a-", "eyJ-", "eyJaaaaaa.", "://a:", "token_", "-----BEGIN PRIVATE KEY-----", "bearer "]
    + ["authorization: ", "password= ", "password ", " ", "secret='"],
)
def test_anything_long_takes_linear_time(piece: str) -> None:
    def seconds(size: int) -> float:
        text, took = piece * (size // len(piece)), []
        for _ in range(3):
            started = time.thread_time()
            redact(text)
            took.append(time.thread_time() - started)
        return min(took)

    assert seconds(200_000) < 9 * max(seconds(50_000), 0.005)  # quadratic: 16
