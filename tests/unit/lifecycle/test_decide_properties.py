"""Any sequence of operations by any callers, from any beginning: what must hold at every step.

The checks know nothing of the product's rules: who stands over whom is written out here once more.
"""

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from router.lifecycle.document_writer import encode_document, public_fields
from router.lifecycle.errors import NumberError
from router.lifecycle.maintenance import plan_maintenance
from router.lifecycle.operations import SYSTEM, CarrierStep, Operation, OperationRequest, Plan
from router.lifecycle.policy import ManagerPolicy
from router.numbers import documents
from router.numbers.documents import NumberDocument
from router.numbers.states import State
from tests.support.examples import examples
from tests.unit.lifecycle.document_generations import SETTINGS
from tests.unit.lifecycle.numbers_and_accounts import ACCOUNTS, NOW, NUMBER, C, M, R, U, asked, decided

ABOVE = {M: {M, R, C, U}, R: {R, C}, C: {C}, U: {U}}
ADMINS = {SYSTEM, M}
ADDERS = {SYSTEM, M, R}
OWNED = {State.IN_SERVICE, State.RESERVED}
MAY_BE_OWNED = OWNED | {State.PORT_IN, State.PORT_OUT, State.AGING}
RELEASED = {State.AVAILABLE, State.AGING, State.RELEASED}

CALLER = st.sampled_from((SYSTEM, M, R, C, U))
RECEIVER = st.sampled_from((M, R, C, U))
STATE = st.sampled_from([state.value for state in State])
MODULES = ("knm_local", "knm_telnyx", "knm_mdn", "knm_other")
POLICIES = st.builds(
    ManagerPolicy,
    released_state=st.sampled_from(("available", "aging", "released")),
    should_permanently_delete=st.sampled_from((False, False, True)),
    should_age=st.booleans(),
    available_module_name=st.sampled_from(MODULES[:2]),
    port_in_module_name=st.sampled_from(MODULES[:2]),
)


def stands_over(caller: str, account: str | None) -> bool:
    return caller in ADMINS or account in ABOVE.get(caller, ())


def may_touch(caller: str, before: NumberDocument, receiver: str | None) -> bool:
    """Return whether KAZOO's account tree lets a caller see a number."""
    owner = before.assigned_to
    if before.state == State.AVAILABLE or stands_over(caller, owner or receiver):
        return True
    return before.state == State.RESERVED and (owner == M or caller in ABOVE.get(owner or "", ()))


class AnyLife(RuleBasedStateMachine):
    """One number; every document goes by way of JSON, as through CouchDB."""

    def __init__(self) -> None:
        super().__init__()
        self.stands: NumberDocument | None = None
        self.policy = ManagerPolicy()
        self.now = NOW
        self.revision = 0

    @initialize(policy=POLICIES)
    def begin(self, policy: ManagerPolicy) -> None:
        self.policy = policy

    @precondition(lambda self: self.stands is None)
    @rule(newer=st.booleans(), state=st.sampled_from(("discovery", "available")), module=st.sampled_from(MODULES))
    def comes_from_an_older_cluster(self, *, newer: bool, state: str, module: str) -> None:
        older = {"pvt_number_state": state, "pvt_features": [], "pvt_reserve_history": [], "used_by": ""}
        own: dict[str, Any] = {"pvt_state": state} if newer else older
        self.write({"_id": NUMBER, "pvt_module_name": module, "pvt_authorizing_account": U, "pvt_custom": "kept"} | own)

    @rule(caller=CALLER, receiver=RECEIVER, state=st.none() | STATE, ported_in=st.booleans(), porting=st.booleans())
    def create(self, caller: str, receiver: str, state: str | None, *, ported_in: bool, porting: bool) -> None:
        ask = asked(Operation.CREATE, caller, assign_to=receiver, state=state, ported_in=ported_in)
        self.ask(ask, porting=porting)

    @rule(caller=CALLER, receiver=RECEIVER, module=st.sampled_from(MODULES), mdn_run=st.booleans())
    def create_on_a_carrier(self, caller: str, receiver: str, module: str, *, mdn_run: bool) -> None:
        self.ask(asked(Operation.CREATE, caller, assign_to=receiver, module_name=module, mdn_run=mdn_run))

    @rule(
        operation=st.sampled_from((Operation.MOVE, Operation.MOVE, Operation.RESERVE)),
        caller=CALLER,
        receiver=RECEIVER,
        fields=st.none() | st.dictionaries(st.sampled_from(("prepend", "mine")), st.sampled_from(("a", "b"))),
        mdn_run=st.sampled_from((False, False, True)),
    )
    def assign(
        self, operation: Operation, caller: str, receiver: str, fields: dict[str, Any] | None, *, mdn_run: bool
    ) -> None:
        self.ask(asked(operation, caller, assign_to=receiver, public_fields=fields, mdn_run=mdn_run))

    @rule(caller=CALLER, mdn_run=st.sampled_from((False, False, True)))
    def release(self, caller: str, *, mdn_run: bool) -> None:
        self.ask(asked(Operation.RELEASE, caller, mdn_run=mdn_run))

    @rule(caller=CALLER)
    def delete(self, caller: str) -> None:
        plan = self.ask(asked(Operation.DELETE, caller))
        assert plan is None or caller in ADMINS

    @rule(caller=CALLER, receiver=st.none() | RECEIVER, state=STATE)
    def change_state(self, caller: str, receiver: str | None, state: str) -> None:
        self.ask(asked(Operation.CHANGE_STATE, caller, assign_to=receiver, state=state))

    @rule(
        caller=CALLER,
        fields=st.dictionaries(st.sampled_from(("cnam", "mine")), st.none() | st.just({"a": 1}) | st.just("x")),
        merge=st.booleans(),
    )
    def update(self, caller: str, fields: dict[str, Any], *, merge: bool) -> None:
        self.ask(asked(Operation.UPDATE, caller, public_fields=fields, merge=merge))

    @rule(caller=CALLER, app=st.sampled_from(("callflow", "trunkstore", None)))
    def assign_to_app(self, caller: str, app: str | None) -> None:
        self.ask(asked(Operation.ASSIGN_TO_APP, caller, used_by=app))

    @rule(caller=CALLER)
    def get(self, caller: str) -> None:
        plan = self.ask(asked(Operation.GET, caller))
        assert plan is None or not plan.changed

    @precondition(lambda self: self.stands is not None and self.stands.state == State.IN_SERVICE)
    @rule(wanted=SETTINGS)
    def features_are_switched_on(self, wanted: dict[str, Any]) -> None:
        assert self.stands is not None
        local: dict[str, Any] = {"local": {}} if "local" in self.stands.features else {}
        self.write(encode_document(replace(self.stands, features=wanted | local), self.stands, now=self.now))

    @rule(days=st.sampled_from((1, 30, 91)))
    def time_passes(self, days: int) -> None:
        self.now += days * 86_400
        if self.stands is None:
            return
        expected = plan_maintenance(self.stands, self.policy, self.now)
        if expected is not None:
            assert self.stands.state in {State.DISCOVERY, State.DELETED, State.AGING}
            self.carry_out(expected)

    def ask(self, ask: OperationRequest, *, porting: bool = False) -> Plan | None:
        before = self.stands
        try:
            plan = decided(ask, before, policy=self.policy, porting=porting, now=self.now)
        except NumberError:
            return None
        assert plan.before is before
        if before is not None:
            self.check_caller(ask, before, plan)
        elif not (ask.ported_in or ask.state == State.PORT_IN):
            assert ask.auth_by in ADDERS
        if plan.changed:
            self.check_change(ask, plan)
            self.carry_out(plan)
        else:
            assert plan.after == before
            assert plan.carrier is CarrierStep.NONE
        return plan

    def check_caller(self, ask: OperationRequest, before: NumberDocument, plan: Plan) -> None:
        """Strangers change nothing, and nobody else's number is given up."""
        assert may_touch(ask.auth_by, before, ask.assign_to)
        if before.assigned_to and (plan.after is None or ask.operation is Operation.RELEASE):
            assert stands_over(ask.auth_by, before.assigned_to)

    def check_change(self, ask: OperationRequest, plan: Plan) -> None:
        before, after = plan.before, plan.after
        if after is None:
            assert ask.operation in {Operation.DELETE, Operation.RELEASE}
            return
        owner = before.assigned_to if before else None
        if owner and after.assigned_to != owner:
            assert after.previously_assigned_to == owner
            assert after.used_by is None
        if ask.operation is Operation.RELEASE:
            self.check_released(owner, after)
        if plan.carrier is CarrierStep.ACQUIRE:
            assert after.state in OWNED
        if before is None:
            assert after.authorizing_account == ask.auth_by

    def check_released(self, owner: str | None, after: NumberDocument) -> None:
        assert not after.features.keys() - {"local"}
        assert public_fields(after) == {}
        assert owner not in after.reserve_history
        if after.state == State.RESERVED:
            assert after.assigned_to == after.reserve_history[0]
        else:
            assert after.state in RELEASED
            assert (after.assigned_to, after.reserve_history) == (None, ())

    def carry_out(self, plan: Plan) -> None:
        if plan.after is None:
            self.stands = None
            return
        doc = encode_document(plan.after, plan.before, now=self.now)
        self.write(doc)
        assert self.stands is not None
        if plan.before is not None:
            assert self.stands.authorizing_account == plan.before.authorizing_account
            assert doc.get("pvt_custom") == plan.before.fields.get("pvt_custom")
            assert ("pvt_state" in doc) == ("pvt_state" in plan.before.fields)
        for name in ("state", "assigned_to", "reserve_history", "features", "used_by", "previously_assigned_to"):
            assert getattr(self.stands, name) == getattr(plan.after, name)

    def write(self, doc: dict[str, Any]) -> None:
        self.revision += 1
        found = documents.read(json.loads(json.dumps(doc | {"_rev": f"{self.revision}-a"})))
        assert isinstance(found, NumberDocument)
        self.stands = found

    @invariant()
    def is_assigned_only_where_its_state_allows(self) -> None:
        if self.stands is not None:
            assert self.stands.assigned_to is None or self.stands.state in MAY_BE_OWNED
            assert self.stands.state not in OWNED or self.stands.assigned_to in ACCOUNTS

    @invariant()
    def has_a_history_without_neighbours_equal(self) -> None:
        if self.stands is not None:
            assert all(one != next_one for one, next_one in pairwise(self.stands.reserve_history))
            assert list(self.stands.reserve_history) == self.stands.fields.get("pvt_reserve_history", [])

    @invariant()
    def is_a_state_that_may_be_written(self) -> None:
        if self.stands is not None:
            assert self.stands.state in MAY_BE_OWNED | RELEASED | {State.DISCOVERY}
            assert self.stands.problems == ()


AnyLife.TestCase.settings = settings(max_examples=examples(150), stateful_step_count=30)
TestAnyLife = AnyLife.TestCase
