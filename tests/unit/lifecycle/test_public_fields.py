"""The fields of a request: carrier, public fields, application, imported history."""

from dataclasses import replace

import pytest

from router.lifecycle.decide import accounts_to_read, carrier_name
from router.lifecycle.document_writer import encode_document, public_fields
from router.lifecycle.operations import CarrierStep, Imported, Operation
from router.lifecycle.policy import ManagerPolicy
from router.lifecycle.public_fields import merged
from router.numbers import documents
from router.numbers.documents import NumberDocument
from router.numbers.system_config import NumberManagerConfig
from tests.unit.lifecycle.numbers_and_accounts import (
    NOW,
    NUMBER,
    TELNYX,
    C,
    M,
    R,
    U,
    asked,
    decided,
    number,
    owned,
    refusal,
)


def test_carrier_name_of_a_request_document_and_policy() -> None:
    policy = ManagerPolicy(available_module_name="knm_a", port_in_module_name="knm_b")
    assert carrier_name(asked(Operation.CREATE), None, policy) == "knm_a"
    assert carrier_name(asked(Operation.CREATE, state="port_in"), None, policy) == "knm_local"
    assert carrier_name(asked(Operation.CREATE, ported_in=True), None, policy) == "knm_b"
    assert carrier_name(asked(Operation.CREATE, module_name="wnm_c"), None, policy) == "knm_c"
    assert carrier_name(asked(Operation.CREATE), owned(), policy) == "knm_telnyx"
    assert carrier_name(asked(Operation.CREATE), owned(pvt_deleted=True), policy) == "knm_a"
    assert carrier_name(asked(Operation.MOVE, module_name="knm_c"), owned(), policy) == "knm_telnyx"


def test_only_administrators_put_a_number_on_another_carrier() -> None:
    free = number(pvt_number_state="available", **TELNYX)
    ask = asked(Operation.CREATE, R, assign_to=R, module_name="knm_local")
    assert refusal(ask, free).code == 403
    assert decided(replace(ask, module_name="knm_telnyx"), free).after is not None
    plan = decided(replace(ask, auth_by=M), free)
    assert plan.after is not None
    assert (plan.after.module_name, plan.after.features) == ("knm_local", {"local": {}})
    assert refusal(replace(ask, auth_by=M, module_name="two words"), free).error == "invalid"


def test_policy_follows_the_settings() -> None:
    config = NumberManagerConfig(
        released_state="released", should_age=True, available_module_name="wnm_local", aging_expiry_d=5
    )
    assert ManagerPolicy.of(config) == ManagerPolicy(released_state="released", should_age=True, aging_expiry_d=5)


def test_update_puts_fields_over_or_in_place() -> None:
    document = owned(mine="a", cnam={"display_name": "A", "inbound_lookup": True}, used_by="", features=["x"])
    patch = {"cnam": {"inbound_lookup": None}, "mine": None, "new": 1}
    plan = decided(asked(Operation.UPDATE, R, public_fields=patch), document)
    assert plan.after is not None
    assert public_fields(plan.after) == {"cnam": {"display_name": "A"}, "new": 1}
    plan = decided(asked(Operation.UPDATE, R, public_fields={"new": 1, "gone": None}, merge=False), document)
    assert plan.after is not None
    assert public_fields(plan.after) == {"new": 1}
    assert (plan.after.fields["used_by"], plan.after.fields["features"]) == ("", ["x"])


def test_update_with_equal_values_changes_nothing() -> None:
    document = owned(mine="a", pvt_used_by="callflow")
    for ask in (
        asked(Operation.UPDATE, R, public_fields={"mine": "a", "absent": None}),
        asked(Operation.UPDATE, R, public_fields={"mine": "a"}, merge=False),
        asked(Operation.UPDATE, R),
        asked(Operation.ASSIGN_TO_APP, R, used_by="callflow"),
        asked(Operation.MOVE, R, assign_to=R, public_fields={"mine": "a"}),
        asked(Operation.GET, R),
    ):
        assert not decided(ask, document).changed, ask
    assert decided(asked(Operation.MOVE, R, assign_to=R, public_fields={"mine": "b"}), document).changed
    assert decided(asked(Operation.ASSIGN_TO_APP, R, used_by=""), document).changed


@pytest.mark.parametrize("name", ["pvt_assigned_to", "_rev", "_id", "pvt_"])
def test_private_fields_are_not_given(name: str) -> None:
    error = refusal(asked(Operation.UPDATE, R, public_fields={name: U}), owned())
    assert (error.code, error.error) == (400, "invalid")
    assert name in error.message


def test_read_only_fields_sent_back_are_ignored() -> None:
    reported = {"id": NUMBER, "state": "available", "features": ["x"], "used_by": "y", "_read_only": {}, "mine": "a"}
    plan = decided(asked(Operation.UPDATE, R, public_fields=reported), owned())
    assert plan.after is not None
    assert {name for name in plan.after.fields if not name.startswith(("pvt_", "_"))} == {"mine"}


def test_merging() -> None:
    assert merged({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": None}, "d": {"e": None}}) == {"a": {"c": 2}, "d": {}}
    assert merged({"a": 1}, {"a": [None], "b": None}) == {"a": [None]}


@pytest.mark.parametrize("app", ["two words", "x" * 65, "ä"])
def test_application_is_a_word(app: str) -> None:
    assert refusal(asked(Operation.ASSIGN_TO_APP, R, used_by=app), owned()).error == "invalid"


def test_import_by_system_sets_past_fields() -> None:
    past = Imported(created=5, previously_assigned_to=U, reserve_history=(R, R, M), used_by="callflow", ported_in=True)
    plan = decided(asked(Operation.CREATE, assign_to=R, imported=past), None)
    assert plan.after is not None
    assert (plan.after.created, plan.after.previously_assigned_to, plan.after.used_by) == (5, U, "callflow")
    assert (plan.after.reserve_history, plan.after.ported_in) == ((R, M), True)
    plan = decided(asked(Operation.CREATE, R, assign_to=R, imported=past), None)
    assert plan.after is not None
    assert (plan.after.created, plan.after.previously_assigned_to, plan.after.reserve_history) == (NOW, None, ())


def test_exported_document_is_put_back_as_it_is() -> None:
    doc = {
        "_id": NUMBER,
        "_rev": "7-x",
        "pvt_state": "port_out",
        "pvt_features": {"e911": {"postal_code": "1"}},
        "pvt_module_name": "knm_telnyx",
        "pvt_unknown": 1,
    }
    ask = asked(Operation.CREATE, imported=Imported(document=doc))
    plan = decided(ask, None)
    assert plan.carrier is CarrierStep.NONE
    assert plan.after is not None
    back = encode_document(plan.after, plan.before, now=NOW)
    assert {name: back[name] for name in doc if name != "_rev"} == {name: doc[name] for name in doc if name != "_rev"}
    assert "_rev" not in back
    stands = documents.read(back | {"_rev": "1-b"})
    assert isinstance(stands, NumberDocument)
    same = doc | {"pvt_db_name": back["pvt_db_name"], "pvt_type": "number"}
    assert not decided(replace(ask, imported=Imported(document=same)), stands).changed
    assert refusal(ask, owned()).error == "number_exists"
    for other in ({**doc, "_id": "+14158867901"}, {**doc, "pvt_type": "user"}):
        assert refusal(asked(Operation.CREATE, imported=Imported(document=other)), None).error == "invalid"


def test_accounts_to_read() -> None:
    document = owned(by=C, pvt_reserve_history=[R, M])
    assert accounts_to_read(asked(Operation.MOVE, U, assign_to=M), document) == {U, M, C}
    assert accounts_to_read(asked(Operation.RELEASE), document) == {C, R, M}
    assert accounts_to_read(asked(Operation.GET, "", assign_to=""), None) == set()
