"""No line that any library logs holds a secret, whichever handler writes it."""

import io
import logging
from collections.abc import Iterator

import pytest
import structlog
from structlog.stdlib import ProcessorFormatter

from agora.team import discretion

CANARY = "sk-canary0123456789abcdefghij"


@pytest.fixture
def foreign() -> Iterator[logging.Logger]:
    """A library's own logger, under the guard."""
    before = logging.getLogRecordFactory()
    discretion.guard_logs()
    log = logging.Logger("foreign")
    yield log
    logging.setLogRecordFactory(before)


def written(log: logging.Logger, formatter: logging.Formatter | None = None) -> io.StringIO:
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(formatter or logging.Formatter("%(name)s %(message)s"))
    log.addHandler(handler)
    return text


def test_a_foreign_line_is_logged_without_its_secret(foreign: logging.Logger) -> None:
    text = written(foreign)
    foreign.warning("the key %s of %d", CANARY, 3)
    foreign.warning(f"plain {CANARY}")
    foreign.warning("named %(key)s", {"key": CANARY})
    foreign.warning("an object: %s", ValueError(CANARY))
    assert CANARY not in text.getvalue()
    assert "the key [redacted] of 3" in text.getvalue() and text.getvalue().count("\n") == 4


def test_an_error_is_logged_without_the_secret_in_its_text_or_its_causes(
    foreign: logging.Logger,
) -> None:
    text = written(foreign)
    try:
        try:
            raise KeyError(CANARY)
        except KeyError as error:
            raise ValueError("it cannot be read") from error
    except ValueError:
        foreign.exception("failed")
    said = text.getvalue()
    assert CANARY not in said and "KeyError" in said and "it cannot be read" in said


def test_what_holds_no_secret_is_logged_as_it_was(foreign: logging.Logger) -> None:
    text = written(foreign)
    try:
        raise ValueError("nothing secret")
    except ValueError:
        foreign.exception("%s %d%%", "half", 50)
    assert text.getvalue().startswith("foreign half 50%\nTraceback")
    assert "ValueError: nothing secret" in text.getvalue()


def test_a_formatter_that_takes_arguments_apart_still_finds_as_many(
    foreign: logging.Logger,
) -> None:
    class Access(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            assert isinstance(record.args, tuple)
            address, path = record.args
            return f"{address} asks for {path}"

    text = written(foreign, Access())
    foreign.warning("%s %s", "127.0.0.1", f"/?token={CANARY}")
    assert text.getvalue() == "127.0.0.1 asks for /?token=[redacted]\n"


def test_a_line_whose_format_does_not_fit_is_logged_without_its_secret(
    foreign: logging.Logger,
) -> None:
    text = written(foreign)
    foreign.warning("%d pieces", CANARY)
    assert CANARY not in text.getvalue() and "pieces" in text.getvalue()


def test_structlog_over_logging_is_guarded_too(foreign: logging.Logger) -> None:
    renderer = structlog.processors.JSONRenderer()
    text = written(foreign, ProcessorFormatter(processor=renderer))
    log = structlog.wrap_logger(
        foreign,
        processors=[ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    try:
        raise ValueError(CANARY)
    except ValueError as error:
        log.error("failed", key=CANARY, exc_info=error)
    assert CANARY not in text.getvalue() and "ValueError: [redacted]" in text.getvalue()
