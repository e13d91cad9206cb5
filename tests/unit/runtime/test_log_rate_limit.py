"""A log line that callers can cause is logged once a minute for each kind."""

import logging
import time

import pytest

from router.runtime.log_rate_limit import RateLimitFilter


def _logger(name: str, every: float) -> logging.Logger:
    made = logging.getLogger(f"tests.seldom.{name}")
    made.addFilter(RateLimitFilter(every))
    return made


def test_message_of_one_kind_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    log = _logger("once", 60)
    for number in range(1000):
        log.warning("closed %d connections", number)
        log.warning(f"method [/x/{number}] is none")  # noqa: G004 - a library that builds its messages itself
    log.warning("something else")
    assert [record.getMessage() for record in caplog.records] == [
        "closed 0 connections",
        "method [/x/0] is none",
        "something else",
    ]


def test_rate_limit_counts_the_messages_in_between(caplog: pytest.LogCaptureFixture) -> None:
    log = _logger("again", 0.2)
    for _ in range(4):
        log.warning("closed %d connections", 1)
    time.sleep(0.25)
    log.warning("closed %d connections", 2)
    assert [record.getMessage() for record in caplog.records] == [
        "closed 1 connections",
        "closed 2 connections (and 3 times in between)",
    ]


def test_invented_kinds_fill_no_memory(caplog: pytest.LogCaptureFixture) -> None:
    log = _logger("bounded", 60)
    for number in range(1000):
        log.warning(f"kind {number}")  # noqa: G004 - as above
    assert len(caplog.records) == 65
