"""Concurrent misses for one number share one read, and every call is handed out once."""

import threading
import time

from router.lookup.call import Call
from router.lookup.single_flight import Admission, InFlightRead, SingleFlight
from router.lookup.wait_estimator import WaitEstimator
from router.numbers.routes import Policy

DATABASE, OTHER = "numbers/+1415", "numbers/+1442"
POLICY = Policy()


def _call(number: str, *, authoritative: bool = False) -> Call:
    call = Call(number, "", time.monotonic() + 60, authoritative=authoritative)
    call.e164 = number
    return call


def _calls(numbers: range) -> list[Call]:
    return [_call(f"+{number}") for number in numbers]


def _flights(limit: int = 1000, estimator: WaitEstimator | None = None, max_wait: float = 100.0) -> SingleFlight:
    return SingleFlight(
        limit, batch_size=10, readers=3, max_wait=max_wait, estimator=lambda: estimator or WaitEstimator()
    )


def _join(flights: SingleFlight, *calls: Call, database: str = DATABASE, policy: Policy = POLICY) -> Admission:
    return flights.join([(call, database) for call in calls], policy)


def _outcome(admission: Admission) -> tuple[int, int]:
    return len(admission.joined), len(admission.rejected)


def _numbers(taken: list[InFlightRead]) -> list[str]:
    return [read.number for read in taken]


def test_calls_for_one_number_share_a_read() -> None:
    flights = _flights()
    calls = [_call("+1") for _ in range(5)]
    assert _join(flights, *calls).readers == [DATABASE]
    assert flights.count == 1
    (read,) = flights.take(DATABASE)
    assert flights.complete(read, succeeded=True) == calls
    assert flights.count == 0


def test_later_call_joins_until_the_read_has_completed() -> None:
    flights = _flights()
    _join(flights, _call("+1"))
    (first,) = flights.take(DATABASE)
    assert _join(flights, _call("+1")).readers == []
    assert len(flights.complete(first, succeeded=True)) == 2
    assert _join(flights, _call("+1")).readers == [DATABASE]


def test_authoritative_calls_join_nothing_and_are_not_joined() -> None:
    flights = _flights()
    _join(flights, _call("+1"))
    _join(flights, _call("+1", authoritative=True), _call("+1", authoritative=True))
    _join(flights, _call("+1"))
    assert flights.count == 3
    assert [len(read.waiting) for read in flights.take(DATABASE)] == [2, 1, 1]


def test_authoritative_call_waits_for_a_read_that_starts_after_it() -> None:
    flights = _flights()
    _join(flights, _call("+1"))
    begun = flights.take(DATABASE)
    late = _call("+1", authoritative=True)
    assert _join(flights, late).readers == [DATABASE]
    assert late not in flights.complete(begun[0], succeeded=True)
    assert [read.waiting for read in flights.take(DATABASE)] == [[late]]


def test_authoritative_read_that_completes_ends_no_other() -> None:
    flights = _flights()
    _join(flights, _call("+1"), _call("+1", authoritative=True))
    shared, alone = flights.take(DATABASE)
    assert len(flights.complete(alone, succeeded=True)) == 1
    _join(flights, _call("+1"))
    assert len(flights.complete(shared, succeeded=True)) == 2


def test_limit_counts_numbers_and_admits_any_calls_for_them() -> None:
    flights = _flights(2)
    calls = [_call("+1"), _call("+2"), _call("+3"), _call("+1"), _call("+2", authoritative=True)]
    admission = _join(flights, *calls)
    assert admission.rejected == [calls[2], calls[4]]
    first, second = flights.take(DATABASE)
    assert [first.number, second.number] == ["+1", "+2"]
    flights.complete(first, succeeded=True)
    assert _outcome(_join(flights, _call("+3"))) == (1, 0)


def test_call_with_a_long_expected_wait_is_rejected() -> None:
    estimator = WaitEstimator()
    estimator.completed(100.0, 100, now=1.0)
    flights = _flights(estimator=estimator)
    calls = _calls(range(40))
    assert _join(flights, *calls).rejected == calls[32:], "a second each: behind 32, more than a third of a minute"
    assert _outcome(_join(flights, _call("+1"))) == (1, 0), "a call that joins a read waits less"


def test_far_deadline_does_not_lengthen_the_accepted_wait() -> None:
    estimator = WaitEstimator()
    estimator.completed(4.1, 100, now=1.0)
    calls = _calls(range(60))
    assert _join(_flights(estimator=estimator), *calls).rejected == []
    strict = _flights(estimator=estimator, max_wait=5.5)
    assert _join(strict, *calls).rejected == calls[41:], "behind 41 more than 1.65 s"


def test_busy_database_delays_no_other_database() -> None:
    estimators = [WaitEstimator(), WaitEstimator()]
    estimators[0].completed(100.0, 100, now=1.0)
    flights = SingleFlight(1000, batch_size=10, readers=3, max_wait=100.0, estimator=lambda: estimators.pop(0))
    calls = _calls(range(40))
    assert _join(flights, *calls).rejected == calls[32:]
    assert _join(flights, *_calls(range(100, 150)), database="numbers/+4420").rejected == []


def test_slow_database_that_is_not_busy_rejects_no_call() -> None:
    """Each read takes a quarter of the time that callers have, however many numbers it brings."""
    estimator = WaitEstimator()
    for ahead in range(32, 200):
        estimator.completed(13.0 + ahead / 100, ahead, now=1.0)
    assert _join(_flights(estimator=estimator), *_calls(range(130))).rejected == []


def test_failed_read_does_not_change_the_estimate() -> None:
    estimator = WaitEstimator()
    flights = _flights(estimator=estimator)
    _join(flights, *_calls(range(40)))
    flights.take(DATABASE)
    for read in flights.take(DATABASE):
        flights.complete(read, succeeded=False)
    assert estimator.wait(1000) == 0.0
    for read in flights.take(DATABASE):
        flights.complete(read, succeeded=True)
    assert estimator.wait(1000) > 0.0


def test_call_that_leaves_is_not_answered_by_the_read() -> None:
    flights = _flights()
    calls = [_call("+1"), _call("+1")]
    _join(flights, *calls)
    (read,) = flights.take(DATABASE)
    assert flights.leave(read, calls[0])
    assert not flights.leave(read, calls[0])
    assert flights.complete(read, succeeded=True) == [calls[1]]
    assert not flights.leave(read, calls[1]), "the read answered it"


def test_number_without_waiting_calls_is_not_read() -> None:
    flights = _flights()
    admission = _join(flights, *_calls(range(15)))
    for read, call in admission.joined[:12]:
        flights.leave(read, call)
    assert _numbers(flights.take(DATABASE)) == ["+12", "+13", "+14"]
    assert flights.count == 3
    assert _join(flights, _call("+0")).joined[0][0] is not admission.joined[0][0], "a later call is read anew"


def test_each_number_gets_a_reader_while_any_is_left() -> None:
    flights = _flights()
    for number in ("+1", "+2", "+3"):
        assert _join(flights, _call(number)).readers == [DATABASE]
        assert _numbers(flights.take(DATABASE)) == [number]


def test_numbers_that_join_while_readers_are_busy_are_read_together() -> None:
    flights = _flights()
    for number in range(3):
        _join(flights, _call(f"+{number}"))
        flights.take(DATABASE)
    for call in _calls(range(10, 17)):
        assert _join(flights, call).readers == []
    assert flights.release_reader(DATABASE) == 1
    assert len(flights.take(DATABASE)) == 7
    assert [flights.release_reader(DATABASE) for _ in range(3)] == [0, 0, 0]


def test_one_reader_is_started_for_each_batch() -> None:
    flights = _flights()
    assert _join(flights, *_calls(range(25))).readers == [DATABASE] * 3
    assert _join(flights, *_calls(range(25, 100))).readers == [], "no more than three for one database"
    assert _numbers(flights.take(DATABASE)) == [f"+{number}" for number in range(10)]
    assert flights.release_reader(DATABASE) == 1
    assert _join(flights, _call("+1000"), database=OTHER).readers == [OTHER]


def test_started_reader_takes_what_joins_before_it_reads() -> None:
    flights = _flights()
    assert _join(flights, _call("+1")).readers == [DATABASE]
    assert _join(flights, *_calls(range(2, 11))).readers == []
    assert _join(flights, _call("+11")).readers == [DATABASE]
    assert [len(flights.take(DATABASE)) for _ in range(2)] == [10, 1]


def test_calls_under_another_policy_are_read_apart() -> None:
    flights = _flights()
    other = Policy()
    _join(flights, _call("+1"))
    _join(flights, _call("+2"), _call("+3"), policy=other)
    assert _numbers(flights.take(DATABASE)) == ["+1"]
    assert flights.release_reader(DATABASE) == 1
    assert _numbers(flights.take(DATABASE)) == ["+2", "+3"]


def _leave(
    flights: SingleFlight, read: InFlightRead, calls: list[Call], together: threading.Barrier, left: list[Call]
) -> None:
    together.wait()
    left.extend(call for call in calls if flights.leave(read, call))


def test_completing_and_leaving_at_once_answers_each_call_once() -> None:
    for _ in range(200):
        flights = _flights()
        calls = [_call("+1") for _ in range(4)]
        _join(flights, *calls)
        (read,) = flights.take(DATABASE)
        together = threading.Barrier(2)
        left: list[Call] = []
        thread = threading.Thread(target=_leave, args=(flights, read, calls, together, left))
        thread.start()
        together.wait()
        answered = flights.complete(read, succeeded=True)
        thread.join()
        assert sorted(map(id, answered + left)) == sorted(map(id, calls))
