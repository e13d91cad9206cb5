"""The owner of a number after its release."""

from dataclasses import replace

import pytest

from router.lifecycle.operations import CarrierStep, Operation
from router.lifecycle.reserve_history import push, unwind
from tests.unit.lifecycle.numbers_and_accounts import (
    ACCOUNTS,
    TELNYX,
    C,
    M,
    R,
    U,
    asked,
    decided,
    number,
    owned,
    saved,
)


def test_release_reserved_by_a_parent_returns_to_the_parent() -> None:
    reserved = saved(decided(asked(Operation.RESERVE, R, assign_to=R), number(pvt_number_state="available", **TELNYX)))
    taken = saved(decided(asked(Operation.MOVE, C, assign_to=C), reserved))
    assert taken is not None
    assert (taken.state, taken.assigned_to, taken.reserve_history) == ("in_service", C, (R,))
    plan = decided(asked(Operation.RELEASE, C), taken)
    assert plan.carrier is CarrierStep.NONE
    back = saved(plan)
    assert back is not None
    assert (back.state, back.assigned_to, back.previously_assigned_to) == ("reserved", R, C)
    assert back.reserve_history == (R,)
    plan = decided(asked(Operation.RELEASE, R), back)
    assert plan.carrier is CarrierStep.DISCONNECT
    assert plan.after is not None
    assert (plan.after.state, plan.after.assigned_to, plan.after.reserve_history) == ("available", None, ())
    assert plan.after.previously_assigned_to == R


@pytest.mark.parametrize(
    ("by", "assigned", "history", "next_owner", "left"),
    [
        (C, C, [C, R], R, [R]),
        (C, C, [R, M], R, [R, M]),  # KAZOO 5 drops R, and reserves on M
        (R, C, [R], R, [R]),  # a parent pulls a number back; KAZOO 5 disconnects it
        (C, C, [C, R, C, M], R, [R, M]),
        (C, C, [R, C, R, M], R, [R, M]),
        (R, R, [R], None, []),
        (R, R, [], None, []),
    ],
)
def test_release_unwinds_to_who_reserved_before(
    by: str, assigned: str, history: list[str], next_owner: str | None, left: list[str]
) -> None:
    plan = decided(asked(Operation.RELEASE, by), owned(by=assigned, pvt_reserve_history=history))
    assert plan.after is not None
    assert plan.after.assigned_to == next_owner
    assert plan.after.reserve_history == tuple(left)
    assert plan.after.previously_assigned_to == assigned
    assert plan.clears_features


def test_release_passes_over_accounts_that_are_deleted() -> None:
    document = owned(by=C, pvt_reserve_history=["x" * 32, U, R])
    known = ACCOUNTS | {U: replace(ACCOUNTS[U], deleted=True)}
    plan = decided(asked(Operation.RELEASE, C), document, known=known)
    assert plan.after is not None
    assert (plan.after.assigned_to, plan.after.reserve_history) == (R, (R,))


def test_reserve_history() -> None:
    assert push((), R) == (R,)
    assert push((R, M), R) == (R, M)
    assert push((R, M), M) == (M, R, M)
    assert unwind((R, M), None, ACCOUNTS) == ()
    assert unwind((R, C, R, M), C, ACCOUNTS) == (R, M)
