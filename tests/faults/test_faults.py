"""One fault at a time under load, on one deployment: no wrong answer, no call that hangs, healed without a hand.

A handful of the catalogue; `make soak` runs all of it, and pairs (docs/faults.md).
"""

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from tests.faults.deployment import ABSENT, NUMBERS, Deployment
from tests.faults.evidence import Evidence
from tests.faults.ledger import Ledger
from tests.faults.load import Writers
from tests.faults.plans import NODES, Plan
from tests.faults.run import run_on
from tests.support.waiting import eventually

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

ON_NODES = ("node killed", "node frozen", "node isolated", "conflicts resolved under load")


@pytest.fixture(scope="module")
def deployment() -> Iterator[Deployment]:
    with Deployment() as made:
        yield made


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture(scope="module")
def accounts(deployment: Deployment) -> Iterator[str]:
    return iter(deployment.accounts)


@pytest.mark.parametrize(("seed", "fault"), list(enumerate(FAULTS)))
def test_no_answer_is_wrong_and_it_heals(
    deployment: Deployment, ledger: Ledger, accounts: Iterator[str], seed: int, fault: str
) -> None:
    report = run_on(deployment, Plan(seed, (fault,), "auto", (0.8,), 0.0), accounts, ledger)

    assert report.is_good, f"{report}\n{deployment.last_log_lines()}"
    assert report.answered > 50
    assert report.writes > 5


def test_evidence_names_what_was_written_and_what_is_stored(
    deployment: Deployment, ledger: Ledger, accounts: Iterator[str], tmp_path: Path
) -> None:
    number = NUMBERS[0]
    Writers(deployment, ledger, 0, accounts).write_by_hand(number)
    evidence = Evidence(tmp_path, deployment, ledger, [])

    def accounts_kept() -> set[str]:
        evidence.keep({"wrong": ["+14158860000: refused (+1.3 s)"]}, 1.0)
        one = orjson.loads((tmp_path / "numbers.json").read_bytes())[number]
        return {
            one["claims"][-1]["account"],
            (one["redis"] or {"account": ""})["account"],
            one["nodes"][0][0]["ok"]["pvt_assigned_to"],
        }

    eventually(lambda: len(accounts_kept()) == 1, 15)
    known = orjson.loads((tmp_path / "numbers.json").read_bytes())
    assert set(known) == {"report", "faults_began", *NUMBERS, *ABSENT, "+14158860000"}
    assert (tmp_path / "follower.log").read_text("utf-8")


@pytest.fixture(scope="module")
def on_nodes() -> Iterator[Deployment]:
    with Deployment(nodes=NODES, linked=False, documents=100, settings={"follower_reconcile_interval": 5.0}) as made:
        yield made


@pytest.fixture(scope="module")
def ledger_on_nodes() -> Ledger:
    return Ledger()


@pytest.fixture(scope="module")
def accounts_on_nodes(on_nodes: Deployment) -> Iterator[str]:
    return iter(on_nodes.accounts)


@pytest.mark.parametrize(("seed", "fault"), list(enumerate(ON_NODES)))
def test_no_answer_is_wrong_on_a_cluster_and_it_heals(
    on_nodes: Deployment, ledger_on_nodes: Ledger, accounts_on_nodes: Iterator[str], seed: int, fault: str
) -> None:
    report = run_on(on_nodes, Plan(seed, (fault,), "auto", (3.0,), 0.0), accounts_on_nodes, ledger_on_nodes)

    assert report.is_good, f"{report}\n{on_nodes.last_log_lines()}"
    assert report.answered > 50
    assert report.writes > 5
