"""Rows that are decided like the one before them come to exactly what they come to by themselves."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.couch.client import CouchClient
from router.couch.server import CouchServer
from router.lifecycle.operations import SYSTEM, Imported, Operation, OperationRequest
from router.lifecycle.policy import ManagerPolicy
from router.manager.carriers.registry import CarrierRegistry
from router.manager.decide_step import BatchContext, DecideStep
from router.manager.decision_reuse import DecisionReuse
from router.manager.features.registry import FeatureRegistry
from router.manager.job import Decided, Job, Pending, Settled
from router.numbers.accounts import AccountDocument
from router.numbers.fast_replace import fast_replace
from router.numbers.rules import build
from router.numbers.shards import shard_for
from router.reference_data.active_port_requests import ActivePortRequests
from router.settings import Settings
from tests.support.examples import examples
from tests.unit.manager.packages import install, on_path

ACCOUNTS = ["a" * 32, "b" * 32, "c" * 32]
KNOWN = {each: AccountDocument(each, "", enabled=True, deleted=False, name="", realm="") for each in ACCOUNTS[:2]}


class Ports(ActivePortRequests):
    """Port requests that name one number."""

    def naming(self, number: str) -> Any:
        return ("a port request",) if number.endswith("9") else ()


@pytest.fixture(scope="module")
def decider() -> DecideStep:
    nobody = CouchServer(CouchClient("http://127.0.0.1:9", timeout=0.1))
    requested = Settings.load(None)
    return DecideStep(CarrierRegistry(requested, nobody), FeatureRegistry(requested), Ports(nobody, 1.0))


PUBLIC = st.sampled_from(
    [
        None,
        {"prepend": {"enabled": True, "name": "Sales"}},
        {"prepend": {"enabled": True, "name": "Sales"}, "note": "x"},
        {"ringback": {"early": "media"}},
        {"force_outbound": True},
        {"failover": {"e164": "+14158867900"}},
        {"cnam": {"display_name": "Sales", "inbound_lookup": True}},
        {"e911": {"street_address": "1 Way", "locality": "X", "region": "CA", "postal_code": "94107"}},
        {"prepend": {"enabled": "perhaps"}},
        {"pvt_state": "in_service"},
    ]
)
PAST = st.builds(
    Imported,
    created=st.sampled_from([None, 63_000_000_000]),
    previously_assigned_to=st.sampled_from([None, *ACCOUNTS]),
    reserve_history=st.sampled_from([None, (), (ACCOUNTS[0],)]),
    used_by=st.sampled_from([None, "callflow", "trunkstore"]),
    ported_in=st.sampled_from([None, True]),
)
ASKS = st.builds(
    OperationRequest,
    operation=st.just(Operation.CREATE),
    number=st.sampled_from(["+14158867900", "+14158867901", "+442079460018", "+14158867909"]),
    auth_by=st.sampled_from([SYSTEM, SYSTEM, SYSTEM, ACCOUNTS[0]]),
    assign_to=st.sampled_from([*ACCOUNTS, *ACCOUNTS, None, "short"]),
    state=st.sampled_from([None, None, "in_service", "reserved", "available", "aging", "port_in", "nonsense"]),
    module_name=st.sampled_from([None, None, "knm_inventory", "knm_mdn", "knm_nobody"]),
    public_fields=PUBLIC,
    ported_in=st.booleans(),
    imported=st.one_of(st.just(Imported()), st.just(Imported()), PAST, st.none()),
    dry_run=st.sampled_from([False, False, True]),
)


PLAIN = st.builds(
    OperationRequest,
    operation=st.just(Operation.CREATE),
    number=st.just("+14158867902"),
    auth_by=st.just(SYSTEM),
    assign_to=st.sampled_from(ACCOUNTS),
    state=st.sampled_from([None, "reserved", "available", "port_in"]),
    public_fields=PUBLIC,
    imported=st.one_of(st.just(Imported()), PAST),
)
FIELDS = ("state", "module_name", "public_fields", "ported_in", "imported", "auth_by", "dry_run")
VARIED = st.tuples(ASKS, st.sampled_from([None, None, *FIELDS]))


@settings(max_examples=examples(500))
@given(first=st.one_of(PLAIN, PLAIN, ASKS), others=st.lists(VARIED, min_size=1, max_size=3))
def test_decide_batch_equals_one_by_one(
    decider: DecideStep, first: OperationRequest, others: list[tuple[OperationRequest, str | None]]
) -> None:
    rows = [first, *(_varied(first, other, field) for other, field in others)]
    rules = build(None)
    context = BatchContext(rules, ManagerPolicy.of(rules.config), 63_900_000_000)
    together = decider.decide(map(_pending, rows), KNOWN, context)
    alone = [decider.decide([_pending(row)], KNOWN, context)[0] for row in rows]

    assert [_result(each) for each in together] == [_result(each) for each in alone]


@pytest.mark.parametrize(
    "unlike",
    [
        {"dry_run": True},
        {"assign_to": "short"},
        {"assign_to": None},
        {"number": "+14158867909"},
        {"state": "reserved"},
        {"imported": None},
    ],
)
def test_decide_differing_row_is_not_reused(decider: DecideStep, unlike: dict[str, Any]) -> None:
    rules = build(None)
    context = BatchContext(rules, ManagerPolicy.of(rules.config), 63_900_000_000)
    first = OperationRequest(Operation.CREATE, "+14158867900", SYSTEM, assign_to=ACCOUNTS[0], imported=Imported())
    second = fast_replace(first, **{"number": "+14158867901", "assign_to": ACCOUNTS[1]} | unlike)
    together = decider.decide([_pending(first), _pending(second)], KNOWN, context)
    [alone] = decider.decide([_pending(second)], KNOWN, context)

    assert _result(together[1]) == _result(alone)


def test_decide_equal_row_reuses_the_decision(decider: DecideStep, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = build(None)
    asks = [
        OperationRequest(Operation.CREATE, f"+1415886790{place}", SYSTEM, assign_to=account, imported=Imported())
        for place, account in enumerate(ACCOUNTS)
    ]
    taken: list[str] = []
    reuse_for = DecisionReuse.reuse_for

    def noted(reuse: DecisionReuse, pending: Pending) -> Any:
        reused = reuse_for(reuse, pending)
        if reused is not None:
            taken.append(pending.number)
        return reused

    monkeypatch.setattr(DecisionReuse, "reuse_for", noted)

    decider.decide(map(_pending, asks), KNOWN, BatchContext(rules, ManagerPolicy.of(rules.config), 63_900_000_000))

    assert taken == ["+14158867901", "+14158867902"]


STRANGERS = """
from router.numbers.states import State


class Desk:
    name = "desk"
    features = keys = frozenset({"desk"})
    states = frozenset(State)
    kept_outside_states = external = False
    provisioned = frozenset()

    def __init__(self, setup):
        pass

    def requested(self, public, number):
        return {"desk": {"of": number.assigned_to, "for": number.number}} if "desk" in public else {}

    def activate(self, work):
        return work.settings

    def remove(self, work):
        pass
"""
"""A provider whose settings follow from the number and its account."""


def test_decide_third_party_provider_disables_reuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the second account's number would be switched on with what was made for the first one's."""
    points = "[did_router.features]\ndesk = strange_desks:Desk\n"
    on_path(monkeypatch, install(tmp_path, "strange-desks", points, STRANGERS))
    nobody, requested = CouchServer(CouchClient("http://127.0.0.1:9", timeout=0.1)), Settings.load(None)
    decider = DecideStep(CarrierRegistry(requested, nobody), FeatureRegistry(requested), Ports(nobody, 1.0))
    rules = build(None)
    first = OperationRequest(Operation.CREATE, "+14158867900", SYSTEM, assign_to=ACCOUNTS[0], imported=Imported())
    first = fast_replace(first, public_fields={"desk": {}})
    second = fast_replace(first, number="+14158867901", assign_to=ACCOUNTS[1])

    states = decider.decide(
        [_pending(first), _pending(second)], KNOWN, BatchContext(rules, ManagerPolicy.of(rules.config), 63_900_000_000)
    )

    asked = [task.settings for each in states if isinstance(each, Decided) for task in each.features.activations]
    assert asked == [
        {"of": ACCOUNTS[0], "for": "+14158867900"},
        {"of": ACCOUNTS[1], "for": "+14158867901"},
    ]


def _varied(first: OperationRequest, other: OperationRequest, field: str | None) -> OperationRequest:
    """Like the first in all but number and account, and perhaps one thing more."""
    more = {} if field is None else {field: getattr(other, field)}
    return fast_replace(first, number=other.number, assign_to=other.assign_to, **more)


def _pending(request: OperationRequest) -> Pending:
    return Pending(Job(request, shard_for(request.number) or ""))


def _result(state: Decided | Settled) -> Any:
    if isinstance(state, Decided):
        return state.base, state.plan, state.features, state.warnings
    outcome = state.outcome
    return str(outcome.error), outcome.document, outcome.unchanged, outcome.warnings
