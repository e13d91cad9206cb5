"""One number, one flight; every call is handed out once."""

import threading
import time

from router.lookup.call import Call
from router.lookup.flights import Flight, Flights
from router.lookup.pace import Pace

DATABASE = "numbers/+1415"


def _call(number: str, *, authoritative: bool = False) -> Call:
    call = Call(number, "", time.monotonic() + 60, authoritative=authoritative)
    call.e164 = number
    return call


def _board(flights: Flights, *calls: Call) -> tuple[int, int, int]:
    boarding = flights.board([(call, DATABASE) for call in calls])
    return len(boarding.started), len(boarding.boarded), len(boarding.left)


def test_calls_for_one_number_share_a_flight() -> None:
    flights = Flights(10)
    calls = [_call("+1") for _ in range(5)]
    boarding = flights.board([(call, DATABASE) for call in calls])
    assert len(boarding.started) == 1
    assert flights.count == 1
    assert flights.land(boarding.started[0]) == calls
    assert flights.count == 0


def test_a_call_that_comes_later_joins_until_it_has_landed() -> None:
    flights = Flights(10)
    first = flights.board([(_call("+1"), DATABASE)]).started[0]
    assert _board(flights, _call("+1")) == (0, 1, 0)
    assert len(flights.land(first)) == 2
    assert _board(flights, _call("+1")) == (1, 1, 0)


def test_authoritative_calls_join_nothing_and_are_joined_by_nobody() -> None:
    flights = Flights(10)
    assert _board(flights, _call("+1")) == (1, 1, 0)
    assert _board(flights, _call("+1", authoritative=True)) == (1, 1, 0)
    assert _board(flights, _call("+1", authoritative=True)) == (1, 1, 0)
    assert _board(flights, _call("+1")) == (0, 1, 0)
    assert flights.count == 3


def test_an_authoritative_flight_that_lands_ends_no_other() -> None:
    flights = Flights(10)
    shared = flights.board([(_call("+1"), DATABASE)]).started[0]
    alone = flights.board([(_call("+1", authoritative=True), DATABASE)]).started[0]
    assert len(flights.land(alone)) == 1
    assert _board(flights, _call("+1")) == (0, 1, 0)
    assert len(flights.land(shared)) == 2


def test_there_is_room_for_so_many_numbers_and_for_any_calls_of_theirs() -> None:
    flights = Flights(2)
    calls = [_call("+1"), _call("+2"), _call("+3"), _call("+1"), _call("+2", authoritative=True)]
    boarding = flights.board([(call, DATABASE) for call in calls])
    assert [flight.number for flight in boarding.started] == ["+1", "+2"]
    assert boarding.left == [calls[2], calls[4]]
    flights.land(boarding.started[0])
    assert _board(flights, _call("+3")) == (1, 1, 0)


def test_who_would_wait_for_most_of_his_time_does_not_board() -> None:
    pace = Pace()
    for _ in range(200):
        pace.landed(took=100.0, ahead=100)
    flights = Flights(1000, pace)
    calls = [_call(f"+{index}") for index in range(40)]
    boarding = flights.board([(call, DATABASE) for call in calls])
    assert boarding.left == calls[32:], "a second each: behind 32, a quarter of a minute is over"
    assert _board(flights, _call("+1")) == (0, 1, 0), "who joins a flight waits less"


def test_who_leaves_is_not_answered_by_the_flight() -> None:
    flights = Flights(10)
    calls = [_call("+1"), _call("+1")]
    flight = flights.board([(call, DATABASE) for call in calls]).started[0]
    assert flights.leave(flight, calls[0])
    assert not flights.leave(flight, calls[0])
    assert not flights.deserted(flight)
    assert flights.land(flight) == [calls[1]]
    assert not flights.leave(flight, calls[1]), "it was answered by whoever landed"
    assert flights.deserted(flight)


def _leave(flights: Flights, flight: Flight, calls: list[Call], together: threading.Barrier, left: list[Call]) -> None:
    together.wait()
    left.extend(call for call in calls if flights.leave(flight, call))


def test_landing_and_leaving_at_once_answers_each_call_once() -> None:
    for _ in range(200):
        flights = Flights(10)
        calls = [_call("+1") for _ in range(4)]
        flight = flights.board([(call, DATABASE) for call in calls]).started[0]
        together = threading.Barrier(2)
        left: list[Call] = []
        thread = threading.Thread(target=_leave, args=(flights, flight, calls, together, left))
        thread.start()
        together.wait()
        landed = flights.land(flight)
        thread.join()
        assert sorted(map(id, landed + left)) == sorted(map(id, calls))
