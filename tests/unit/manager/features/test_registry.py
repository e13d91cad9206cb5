"""Providers remove before they activate, what they give is kept, and their refusals are one number's error."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from router.lifecycle.operations import SYSTEM, Operation, OperationRequest, Plan
from router.manager.features import planner
from router.manager.features.permissions import Permissions
from router.manager.features.plan import FeaturePlan
from router.manager.features.planner import PermissionChange
from router.manager.features.provider import FeatureError, FeatureRequest
from router.numbers.documents import NumberDocument
from router.numbers.states import State
from tests.unit.manager.features.planning import ACCOUNT, FEATURES, done, newer, number, refused

EVERYTHING = Permissions(None, frozenset(), "", failover=True)


@dataclass(frozen=True)
class Telling:
    """A provider that writes down what it is told, and refuses the features it is told to refuse."""

    name: str
    reported: list[str]
    fault: Exception | None = None
    states: frozenset[State] = frozenset({State.IN_SERVICE})
    kept_outside_states: bool = False
    external: bool = False
    provisioned: frozenset[str] = frozenset({"ticket"})
    works: list[FeatureRequest] = field(default_factory=list)

    @property
    def features(self) -> frozenset[str]:
        return frozenset({self.name})

    @property
    def keys(self) -> frozenset[str]:
        return frozenset({self.name})

    def requested(self, public: Mapping[str, Any], number: NumberDocument) -> dict[str, Any]:
        return {self.name: dict(public[self.name])} if self.name in public else {}

    def activate(self, work: FeatureRequest) -> Any:
        self._tell("on", work)
        return {**work.settings, "ticket": work.key}

    def remove(self, work: FeatureRequest) -> None:
        self._tell("off", work)

    def _tell(self, verb: str, work: FeatureRequest) -> None:
        self.works.append(work)
        if self.fault is not None:
            raise self.fault
        self.reported.append(f"{self.name} {verb}")


def _prepared(before: NumberDocument, public: dict[str, Any], *providers: Telling) -> FeaturePlan:
    ask = OperationRequest(Operation.UPDATE, before.number, SYSTEM, public_fields=public)
    permissions = PermissionChange(EVERYTHING, EVERYTHING)
    return planner.prepare(Plan(before, before), ask, before, providers, permissions)


@pytest.mark.parametrize("make", [number, newer])
def test_carry_out_removes_first_and_keeps_settings(make: Any) -> None:
    reported: list[str] = []
    one, two = Telling("one", reported), Telling("two", reported)
    first = done(_prepared(make(), {"two": {"level": 1}}, one, two))
    assert first.features == {"two": {"level": 1, "ticket": "key:two:on"}}
    reported.clear()

    after = done(_prepared(first, {"one": {"level": 2}, "two": None}, one, two))

    assert reported == ["two off", "one on"]
    assert after.features == {"one": {"level": 2, "ticket": "key:one:on"}}
    assert not _prepared(after, {"one": {"level": 2}}, one, two).work


@pytest.mark.parametrize("fault", [FeatureError("no credit"), KeyError("no credit")])
def test_carry_out_refusal_carries_the_providers_message(fault: Exception) -> None:
    plan = _prepared(number(), {"one": {}}, Telling("one", [], fault))

    error = refused(lambda: FEATURES.carry_out(plan, key="key", dry_run=False))

    assert (error.code, error.error) == (500, "unspecified_fault")
    assert "no credit" in error.cause
    assert "fault by feature provider one" in error.message


def test_carry_out_refused_removal_activates_nothing() -> None:
    reported: list[str] = []
    stands = number(pvt_features=["one"], one={})
    plan = _prepared(
        stands, {"one": None, "two": {}}, Telling("one", reported, FeatureError("x")), Telling("two", reported)
    )

    refused(lambda: FEATURES.carry_out(plan, key="key", dry_run=False))

    assert reported == []


def test_carry_out_passes_key_documents_and_dry_run() -> None:
    one = Telling("one", [])
    before = number()
    plan = _prepared(before, {"one": {"level": 1}}, one)

    FEATURES.carry_out(plan, key="k", dry_run=True)

    (work,) = one.works
    assert (work.key, work.before, work.dry_run, work.settings) == ("k:one:on", before, True, {"level": 1})
    assert work.number.assigned_to == ACCOUNT


def test_carry_out_deleted_number_removes_features() -> None:
    one = Telling("one", [])
    stands = number(pvt_features=["one"], one={"level": 1})

    plan = planner.plan_removal(Plan(stands, None, clears_features=True), [one])
    assert FEATURES.carry_out(plan, key="k", dry_run=False) is None
    assert one.reported == ["one off"]

    ask = OperationRequest(Operation.CREATE, stands.number, SYSTEM, public_fields={"note": "x"})
    new = replace(stands, fields={}, features={})
    made = planner.prepare(Plan(stands, new), ask, new, [one], PermissionChange(None, EVERYTHING))
    assert made.after is not None
    assert (made.after.fields, made.after.features, made.work) == ({"note": "x"}, {}, False)
