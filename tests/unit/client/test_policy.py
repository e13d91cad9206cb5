"""The client's retries, and the failures that open its circuit breaker."""

from typing import Any

import pytest

from router.client.options import Options, Tls
from router.client.policy import CallPolicy
from router.client.results import SIP, STATUSES, Result
from router.numbers.routes import Reason
from router.server.api.status import CODES

LOST: Result[Any] = Result(status="UNAVAILABLE")
SILENT: Result[Any] = Result(status="DEADLINE_EXCEEDED")
NO_DATABASE: Result[Any] = Result(status="UNAVAILABLE", reason="NUMBER_DATABASE_UNAVAILABLE")
REFUSED: Result[Any] = Result(status="NOT_FOUND", reason="NUMBER_NOT_FOUND")


def test_attempts_second_is_at_once_and_third_waits() -> None:
    attempts = CallPolicy(Options()).begin(60, is_read=True)
    pauses = []
    for _ in range(3):
        assert 0 < attempts.timeout() <= 60
        pauses.append(attempts.pause(LOST))

    assert pauses[0] == 0
    assert pauses[1] is not None
    assert 0 < pauses[1] <= 0.02
    assert pauses[2] is None


def test_attempts_without_time_left_end() -> None:
    attempts = CallPolicy(Options()).begin(0, is_read=True)
    attempts.timeout()

    assert attempts.pause(LOST) is None


@pytest.mark.parametrize("result", [SILENT, REFUSED, NO_DATABASE])
def test_attempts_answer_or_silence_is_final(result: Result[Any]) -> None:
    attempts = CallPolicy(Options()).begin(60, is_read=True)
    attempts.timeout()

    assert attempts.pause(result) is None


def _opened_by(results: list[Result[Any]]) -> bool:
    policy = CallPolicy(Options(circuit_breaker_failures=3, circuit_breaker_reset_timeout=3600))
    for each in results:
        policy.record(each)
    return policy.refusal() is not None


@pytest.mark.parametrize(
    ("results", "opens"),
    [
        ([SILENT] * 3, True),
        ([SILENT, SILENT, REFUSED, SILENT], False),
        ([SILENT, SILENT, LOST, SILENT], True),
        ([LOST] * 5, False),
        ([REFUSED] * 5, False),
    ],
)
def test_breaker_only_silence_opens_it(results: list[Result[Any]], *, opens: bool) -> None:
    assert _opened_by(results) == opens


def test_breaker_that_is_off_never_refuses() -> None:
    policy = CallPolicy(Options(circuit_breaker_failures=0))
    policy.record(SILENT)

    assert policy.refusal() is None


def test_every_reason_has_its_status_and_sip_response() -> None:
    assert {reason.value: code.name for reason, code in CODES.items()} == STATUSES
    assert set(SIP) == {reason.value for reason in Reason}


def test_tls_key_is_not_shown() -> None:
    assert "secret" not in repr(Tls(None, b"certificate", b"secret"))


def test_tls_certificate_without_key_is_refused() -> None:
    with pytest.raises(ValueError, match="belong together"):
        Tls(certificate=b"certificate")
