"""One number, one flight; every call is handed out once."""

import threading
import time

from router.lookup.call import Call
from router.lookup.single_flight import InFlightRead, JoinResult, SingleFlight
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


def _flights(limit: int = 1000, pace: WaitEstimator | None = None, time_limit: float = 100.0) -> SingleFlight:
    return SingleFlight(limit, together=10, readers=3, time_limit=time_limit, pace=lambda: pace or WaitEstimator())


def _board(flights: SingleFlight, *calls: Call, database: str = DATABASE, policy: Policy = POLICY) -> JoinResult:
    return flights.board([(call, database) for call in calls], policy)


def _outcome(admission: JoinResult) -> tuple[int, int]:
    return len(admission.boarded), len(admission.left)


def _numbers(taken: list[InFlightRead]) -> list[str]:
    return [flight.number for flight in taken]


def test_calls_for_one_number_share_a_flight() -> None:
    flights = _flights()
    calls = [_call("+1") for _ in range(5)]
    assert _board(flights, *calls).readers == [DATABASE]
    assert flights.count == 1
    (flight,) = flights.take(DATABASE)
    assert flights.land(flight, read=True) == calls
    assert flights.count == 0


def test_a_call_that_comes_later_joins_until_it_has_landed() -> None:
    flights = _flights()
    _board(flights, _call("+1"))
    (first,) = flights.take(DATABASE)
    assert _board(flights, _call("+1")).readers == []
    assert len(flights.land(first, read=True)) == 2
    assert _board(flights, _call("+1")).readers == [DATABASE]


def test_authoritative_calls_join_nothing_and_are_joined_by_nobody() -> None:
    flights = _flights()
    _board(flights, _call("+1"))
    _board(flights, _call("+1", authoritative=True), _call("+1", authoritative=True))
    _board(flights, _call("+1"))
    assert flights.count == 3
    assert [len(flight.waiting) for flight in flights.take(DATABASE)] == [2, 1, 1]


def test_an_authoritative_call_waits_for_a_reading_that_begins_after_it_asked() -> None:
    flights = _flights()
    _board(flights, _call("+1"))
    begun = flights.take(DATABASE)
    late = _call("+1", authoritative=True)
    assert _board(flights, late).readers == [DATABASE]
    assert late not in flights.land(begun[0], read=True)
    assert [flight.waiting for flight in flights.take(DATABASE)] == [[late]]


def test_an_authoritative_flight_that_lands_ends_no_other() -> None:
    flights = _flights()
    _board(flights, _call("+1"), _call("+1", authoritative=True))
    shared, alone = flights.take(DATABASE)
    assert len(flights.land(alone, read=True)) == 1
    _board(flights, _call("+1"))
    assert len(flights.land(shared, read=True)) == 2


def test_there_is_room_for_so_many_numbers_and_for_any_calls_of_theirs() -> None:
    flights = _flights(2)
    calls = [_call("+1"), _call("+2"), _call("+3"), _call("+1"), _call("+2", authoritative=True)]
    admission = _board(flights, *calls)
    assert admission.left == [calls[2], calls[4]]
    first, second = flights.take(DATABASE)
    assert [first.number, second.number] == ["+1", "+2"]
    flights.land(first, read=True)
    assert _outcome(_board(flights, _call("+3"))) == (1, 0)


def test_who_would_wait_for_most_of_his_time_does_not_board() -> None:
    pace = WaitEstimator()
    pace.landed(100.0, 100, now=1.0)
    flights = _flights(pace=pace)
    calls = _calls(range(40))
    assert _board(flights, *calls).left == calls[32:], "a second each: behind 32, more than a third of a minute"
    assert _outcome(_board(flights, _call("+1"))) == (1, 0), "who joins a flight waits less"


def test_a_far_deadline_lets_nobody_wait_for_longer_than_anybody_does() -> None:
    pace = WaitEstimator()
    pace.landed(4.1, 100, now=1.0)
    calls = _calls(range(60))
    assert _board(_flights(pace=pace), *calls).left == []
    assert _board(_flights(pace=pace, time_limit=5.5), *calls).left == calls[41:], "behind 41 more than 1.65 s"


def test_a_busy_database_keeps_nobody_from_another() -> None:
    paces = [WaitEstimator(), WaitEstimator()]
    paces[0].landed(100.0, 100, now=1.0)
    flights = SingleFlight(1000, together=10, readers=3, time_limit=100.0, pace=lambda: paces.pop(0))
    calls = _calls(range(40))
    assert _board(flights, *calls).left == calls[32:]
    assert _board(flights, *_calls(range(100, 150)), database="numbers/+4420").left == []


def test_a_slow_database_that_is_not_busy_keeps_nobody_waiting() -> None:
    """Each read takes a quarter of the time that callers have, however many numbers it brings."""
    pace = WaitEstimator()
    for ahead in range(32, 200):
        pace.landed(13.0 + ahead / 100, ahead, now=1.0)
    assert _board(_flights(pace=pace), *_calls(range(130))).left == []


def test_a_reading_that_failed_tells_nothing_of_others() -> None:
    pace = WaitEstimator()
    flights = _flights(pace=pace)
    _board(flights, *_calls(range(40)))
    flights.take(DATABASE)
    for flight in flights.take(DATABASE):
        flights.land(flight, read=False)
    assert pace.wait(1000) == 0.0
    for flight in flights.take(DATABASE):
        flights.land(flight, read=True)
    assert pace.wait(1000) > 0.0


def test_who_leaves_is_not_answered_by_the_flight() -> None:
    flights = _flights()
    calls = [_call("+1"), _call("+1")]
    _board(flights, *calls)
    (flight,) = flights.take(DATABASE)
    assert flights.leave(flight, calls[0])
    assert not flights.leave(flight, calls[0])
    assert flights.land(flight, read=True) == [calls[1]]
    assert not flights.leave(flight, calls[1]), "it was answered by whoever landed"


def test_a_number_for_which_nobody_waits_any_more_is_not_read() -> None:
    flights = _flights()
    admission = _board(flights, *_calls(range(15)))
    for flight, call in admission.boarded[:12]:
        flights.leave(flight, call)
    assert _numbers(flights.take(DATABASE)) == ["+12", "+13", "+14"]
    assert flights.count == 3
    assert _board(flights, _call("+0")).boarded[0][0] is not admission.boarded[0][0], "who asks later is read anew"


def test_each_number_has_a_reader_at_once_while_readers_are_left() -> None:
    flights = _flights()
    for number in ("+1", "+2", "+3"):
        assert _board(flights, _call(number)).readers == [DATABASE]
        assert _numbers(flights.take(DATABASE)) == [number]


def test_what_comes_while_all_readers_are_busy_is_read_together() -> None:
    flights = _flights()
    for number in range(3):
        _board(flights, _call(f"+{number}"))
        flights.take(DATABASE)
    for call in _calls(range(10, 17)):
        assert _board(flights, call).readers == []
    assert flights.release_reader(DATABASE) == 1
    assert len(flights.take(DATABASE)) == 7
    assert [flights.release_reader(DATABASE) for _ in range(3)] == [0, 0, 0]


def test_a_reader_is_sent_for_each_ten() -> None:
    flights = _flights()
    assert _board(flights, *_calls(range(25))).readers == [DATABASE] * 3
    assert _board(flights, *_calls(range(25, 100))).readers == [], "no more than three for one database"
    assert _numbers(flights.take(DATABASE)) == [f"+{number}" for number in range(10)]
    assert flights.release_reader(DATABASE) == 1
    assert _board(flights, _call("+1000"), database=OTHER).readers == [OTHER]


def test_a_reader_that_has_not_come_yet_takes_what_is_lined_up_meanwhile() -> None:
    flights = _flights()
    assert _board(flights, _call("+1")).readers == [DATABASE]
    assert _board(flights, *_calls(range(2, 11))).readers == []
    assert _board(flights, _call("+11")).readers == [DATABASE]
    assert [len(flights.take(DATABASE)) for _ in range(2)] == [10, 1]


def test_what_boarded_under_another_policy_is_read_apart() -> None:
    flights = _flights()
    other = Policy()
    _board(flights, _call("+1"))
    _board(flights, _call("+2"), _call("+3"), policy=other)
    assert _numbers(flights.take(DATABASE)) == ["+1"]
    assert flights.release_reader(DATABASE) == 1
    assert _numbers(flights.take(DATABASE)) == ["+2", "+3"]


def _leave(
    flights: SingleFlight, flight: InFlightRead, calls: list[Call], together: threading.Barrier, left: list[Call]
) -> None:
    together.wait()
    left.extend(call for call in calls if flights.leave(flight, call))


def test_landing_and_leaving_at_once_answers_each_call_once() -> None:
    for _ in range(200):
        flights = _flights()
        calls = [_call("+1") for _ in range(4)]
        _board(flights, *calls)
        (flight,) = flights.take(DATABASE)
        together = threading.Barrier(2)
        left: list[Call] = []
        thread = threading.Thread(target=_leave, args=(flights, flight, calls, together, left))
        thread.start()
        together.wait()
        landed = flights.land(flight, read=True)
        thread.join()
        assert sorted(map(id, landed + left)) == sorted(map(id, calls))
