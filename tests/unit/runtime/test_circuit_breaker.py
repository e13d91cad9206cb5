"""A store that fails gets no requests, until one trial request succeeds."""

import threading

from router.runtime.circuit_breaker import CircuitBreaker
from tests.support.waiting import eventually

LONG = 3600.0


def test_circuit_breaker_at_first_allows_calls() -> None:
    breaker = CircuitBreaker(3, LONG)
    assert breaker.allows()
    assert not breaker.is_open


def test_circuit_breaker_opens_at_its_threshold_and_reports_once() -> None:
    breaker = CircuitBreaker(3, LONG)
    assert [breaker.failed() for _ in range(4)] == [False, False, True, False]
    assert breaker.is_open
    assert not breaker.allows()


def test_success_in_between_starts_the_count_anew() -> None:
    breaker = CircuitBreaker(3, LONG)
    breaker.failed()
    breaker.failed()
    breaker.succeeded()
    breaker.failed()
    breaker.failed()
    assert breaker.allows()
    assert not breaker.is_open


def test_after_the_pause_one_try_goes_and_the_others_wait_for_it() -> None:
    breaker = CircuitBreaker(1, 0.05)
    breaker.failed()
    assert eventually(breaker.allows, 5, every=0.005)
    breaker._reset_timeout = LONG
    breaker.failed()
    assert not breaker.allows()


def test_circuit_breaker_closes_after_a_successful_trial() -> None:
    breaker = CircuitBreaker(1, 0.05)
    breaker.failed()
    assert eventually(breaker.allows, 5, every=0.005)
    breaker.succeeded()
    assert not breaker.is_open
    assert all(breaker.allows() for _ in range(5))


def test_only_one_of_many_threads_makes_the_try() -> None:
    breaker = CircuitBreaker(1, 0.05)
    breaker.failed()
    eventually(lambda: not breaker.is_open, 5, every=0.005)
    breaker._reset_timeout = LONG
    together, allowed = threading.Barrier(16), []

    def ask() -> None:
        together.wait()
        allowed.append(breaker.allows())

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(allowed) == [False] * 15 + [True]
