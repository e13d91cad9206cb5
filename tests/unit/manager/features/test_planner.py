"""Features go off and on with the number's state, and with its release."""

from typing import Any

import pytest

from router.numbers.states import State
from tests.unit.manager.features.planning import ADDRESS, done, newer, number, release, update

FIELDS: dict[str, Any] = {
    "cnam": {"display_name": "Acme", "inbound_lookup": True},
    "e911": ADDRESS,
    "prepend": {"enabled": True, "name": "Sales"},
    "failover": {"sip": "sip:pbx@example.com"},
    "force_outbound": False,
    "ringback": {"early": "media1"},
    "port": {"port_id": "p1"},
}
CALLS = {"prepend", "failover", "force_outbound", "ringback"}
OWNED = {"e911", "outbound_cnam", "inbound_cnam"}
ACTIVE = {
    "in_service": CALLS | OWNED,
    "reserved": OWNED,
    "port_in": OWNED | {"port"},
}


@pytest.mark.parametrize("make", [number, newer])
@pytest.mark.parametrize("state", list(State))
def test_plan_feature_is_on_in_its_states_only(make: Any, state: str) -> None:
    plan = update(make(pvt_used_by="trunkstore"), FIELDS, state=state)

    assert done(plan).features.keys() == ACTIVE.get(state, set())


@pytest.mark.parametrize("make", [number, newer])
def test_plan_feature_returns_with_its_state(make: Any) -> None:
    first = done(update(make(pvt_used_by="trunkstore"), FIELDS))

    reserved = done(update(first, None, state="reserved"))
    again = done(update(reserved, None, state="in_service"))

    assert reserved.features.keys() == OWNED
    assert again.features == first.features
    assert again.fields["prepend"] == FIELDS["prepend"]


@pytest.mark.parametrize("make", [number, newer])
def test_plan_other_state_keeps_cnam_and_removes_e911(make: Any) -> None:
    first = done(update(make(), {"cnam": {"display_name": "Acme"}, "e911": ADDRESS}))

    plan = update(first, None, state="port_out")

    assert done(plan).features == {"outbound_cnam": {"display_name": "Acme"}}
    assert [task.feature for task in plan.removals] == ["e911"]


@pytest.mark.parametrize("make", [number, newer])
def test_plan_port_feature_starts_and_ends_with_port_in(make: Any) -> None:
    first = update(make(), {"port": {"port_id": "p1"}}, state="port_in")
    over = update(done(first), None, state="in_service")

    assert [task.feature for task in first.activations] == ["port"]
    assert [task.feature for task in over.removals] == ["port"]
    assert done(over).fields["port"] == {"port_id": "p1"}


@pytest.mark.parametrize("make", [number, newer])
def test_plan_release_removes_every_feature_and_field(make: Any) -> None:
    first = done(update(make(pvt_used_by="trunkstore"), FIELDS))

    plan = release(first)

    assert {task.feature for task in plan.removals} == first.features.keys()
    freed = done(plan)
    assert freed.features == {}
    assert not freed.fields.keys() & FIELDS.keys()
    assert "dash_e911" not in freed.fields


@pytest.mark.parametrize("make", [number, newer])
@pytest.mark.parametrize(("module", "local"), [("knm_local", True), ("knm_mdn", True), ("knm_managed", False)])
def test_plan_local_feature_follows_the_carrier(make: Any, module: str, *, local: bool) -> None:
    assert ("local" in done(update(make(), None, module_name=module)).features) is local
    back = update(make(pvt_module_name="knm_local"), {"note": "x"}, module_name=module)
    assert ("local" in done(back).features) is local
