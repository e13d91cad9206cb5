"""Changes that a number's age requires."""

import pytest

from router.lifecycle.maintenance import plan_maintenance
from router.lifecycle.policy import ManagerPolicy
from tests.unit.lifecycle.numbers_and_accounts import NOW, R, number


def test_maintenance_waits_for_what_does_not_tell_its_age() -> None:
    assert plan_maintenance(number(pvt_number_state="aging"), ManagerPolicy(), NOW) is None
    assert (
        plan_maintenance(number(pvt_number_state="discovery", pvt_modified="undefined"), ManagerPolicy(), NOW) is None
    )
    aside = number(pvt_number_state="aging", pvt_modified=1, pvt_deleted=True)
    assert plan_maintenance(aside, ManagerPolicy(), NOW) is None


@pytest.mark.parametrize(("seconds", "expected"), [(5 * 86_400 - 1, False), (5 * 86_400, True)])
def test_maintenance_counts_in_days_and_leaves_nobody_behind(seconds: int, *, expected: bool) -> None:
    aging = number(pvt_number_state="aging", pvt_assigned_to=R, pvt_used_by="callflow", pvt_modified=NOW - seconds)
    plan = plan_maintenance(aging, ManagerPolicy(aging_expiry_d=5), NOW)
    assert (plan is not None) == expected
    if plan is not None:
        assert plan.after is not None
        assert (plan.after.state, plan.after.assigned_to, plan.after.previously_assigned_to) == ("available", None, R)
        assert plan.after.used_by is None
