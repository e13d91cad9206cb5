"""One fault at a time under load, on one stage: no wrong answer, no call that hangs, healed without a hand.

A handful of the catalogue, so that it takes less than a minute; `make soak` runs all of it, and pairs (docs/faults.md).
"""

from collections.abc import Iterator

import pytest

from tests.faults.ledger import Ledger
from tests.faults.plans import Plan
from tests.faults.run import run_on
from tests.faults.stage import Stage

FAULTS = (
    "redis killed",
    "redis frozen",
    "database killed",
    "database remade",
    "follower killed",
    "worker killed",
    "service-redis half-open",
    "follower-couchdb mid-line",
    "follower-couchdb changes repeated",
    "redis is spoilt",
    "document purged",
    "caller-service forgotten",
)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage() as made:
        yield made


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture(scope="module")
def accounts(stage: Stage) -> Iterator[str]:
    return iter(stage.accounts)


@pytest.mark.parametrize(("seed", "fault"), list(enumerate(FAULTS)))
def test_no_answer_is_wrong_and_it_heals(
    stage: Stage, ledger: Ledger, accounts: Iterator[str], seed: int, fault: str
) -> None:
    report = run_on(stage, Plan(seed, (fault,), "auto", (0.8,), 0.0), accounts, ledger)

    assert report.is_good, f"{report}\n{stage.said()}"
    assert report.answered > 50
    assert report.writes > 5
