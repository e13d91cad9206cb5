"""Steps and results of a call that holds several lookups."""

from router.server.observation import call_traces
from router.server.observation.call_traces import CallTrace


def test_turn_notes_each_step_once_from_its_beginning() -> None:
    trace = CallTrace(None)
    turn = trace.turn(2)
    for name in ("near_cache", "near_cache", "redis", "couchdb", "redis"):
        turn.step(name)

    names = [step.name for step in trace.steps()]
    assert names == ["near_cache", "redis", "couchdb"]
    near, redis, couchdb = trace.steps()
    assert near.ended == redis.began
    assert redis.began <= couchdb.began <= couchdb.ended <= redis.ended


def test_turn_whose_lookups_are_answered_notes_no_steps() -> None:
    trace = CallTrace(None)
    turn = trace.turn(1)
    turn.step("near_cache")
    turn.count("route")
    turn.step("redis")

    assert [step.name for step in trace.steps()] == ["near_cache"]
    assert trace.results == {"route": 1}


def test_call_of_many_turns_keeps_the_steps_of_the_first() -> None:
    trace = CallTrace(None)
    for _ in range(call_traces._MAX_TURNS + 10):
        turn = trace.turn(1)
        turn.step("near_cache")
        turn.count("route")

    assert len(trace.steps()) == call_traces._MAX_TURNS
    assert trace.results["route"] == call_traces._MAX_TURNS + 10
