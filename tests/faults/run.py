"""One run: load, faults, healing, and a report. Everything random in it comes from its seed."""

import contextlib
import itertools
import random
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import grpc

from router.v1.inbound_pb2_grpc import InboundRouterStub
from tests.faults.deployment import NUMBERS, Deployment
from tests.faults.evidence import Evidence
from tests.faults.faults import CATALOGUE, Fault
from tests.faults.harness import Harness
from tests.faults.ledger import Answer, Ledger
from tests.faults.load import CALLERS, Callers, Writers, answer_of
from tests.faults.plans import Ground, Plan
from tests.faults.settling import settle
from tests.integration.lookup_client import outcome, request

MARGIN = 0.05
"""Seconds beyond a deadline that are allowed to a call."""
HANG = 1.0
"""Seconds beyond a deadline after which no busy machine is an excuse."""
_BEFORE, _AFTER = 0.6, 0.8
HEALS_WITHIN = 30.0
_PATIENCE = 5.0
_SHOWN = 5


@dataclass
class Report:
    """The observations of a run.

    Attributes:
        calls, answered, unknown: asked; told an account or that there is none; told that it can't be known now, by
            reason.
        writes: acknowledged changes.
        wrong: answers that no rule allows, in words.
        stale, flagged_stale: old answers within what is promised; longest, longest_flagged: the oldest of them.
        late: calls that ended more than 50 ms (and what this process was held up by) past their deadline;
            worst_late: the worst of all, seconds past the deadline.
        settled: numbers of which a cluster's copies had to be read to know their owner.
        disturbed: calls without an answer where nothing but other callers' link was in trouble.
        healed: seconds from the end of the faults, and of a cluster's own mending, until every number was answered
            rightly, unflagged, by both workers, and each caller had an answer over the connection it has; None: not at
            all.
        differences: found by an audit at the end; different: these in words; at_first: how many the first audit found.
    """

    plan: Plan
    calls: int = 0
    answered: int = 0
    unknown: dict[str, int] = field(default_factory=Counter)
    writes: int = 0
    wrong: list[str] = field(default_factory=list)
    stale: int = 0
    longest: float = 0.0
    flagged_stale: int = 0
    longest_flagged: float = 0.0
    late: int = 0
    worst_late: float = 0.0
    oversleep: float = 0.0
    disturbed: int = 0
    settled: int = 0
    healed: float | None = None
    at_first: int | None = None
    differences: int | None = None
    different: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Return whether everything promised was kept."""
        hung = self.worst_late > HANG + self.oversleep
        return not self.wrong and not hung and not self.disturbed and self.healed is not None and self.differences == 0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(replace(self, unknown={})), "unknown": dict(self.unknown), "good": self.is_good}

    def __str__(self) -> str:
        healed = "never healed" if self.healed is None else f"healed in {self.healed:.1f} s"
        printed = (
            f"seed {self.plan.seed}: {self.plan.name} ({self.plan.transport})",
            f"{self.calls} calls, {self.writes} changes, {len(self.wrong)} wrong",
            f"{self.stale} stale ({self.longest:.2f} s), {self.flagged_stale} flagged ({self.longest_flagged:.2f} s)",
            f"{self.late} late ({self.worst_late:.3f} s), {healed}",
            f"{self.differences} differences (at first {self.at_first})",
            f"unknown {dict(self.unknown)}",
            *([f"{self.settled} settled"] if self.settled else []),
            *([f"{self.disturbed} disturbed"] if self.disturbed else []),
        )
        return "\n  ".join(["; ".join(printed), *self.wrong[:_SHOWN], *self.different[:_SHOWN]])


def run_plan(plan: Plan, ground: Ground | None = None, folder: Path | None = None) -> Report:
    """Run a plan on a deployment of its own; a folder is for the evidence of a bad run, and emptied before."""
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
    with (ground or Ground()).deployment(plan) as deployment:
        return run_on(deployment, plan, iter(deployment.accounts), folder=folder)


def run_on(
    deployment: Deployment,
    plan: Plan,
    accounts: Iterator[str],
    ledger: Ledger | None = None,
    folder: Path | None = None,
) -> Report:
    """Run a plan on a deployment that is ready.

    Args:
        accounts: not claimed yet.
        ledger: of earlier runs on this deployment.
        folder: for the evidence of a bad run.
    """
    faults = [CATALOGUE[name] for name in plan.faults]
    ledger = ledger or Ledger()
    writers = Writers(deployment, ledger, plan.seed, accounts)
    writers.quiet = max(fault.quiet for fault in faults) + (sum(plan.lasts) if len(faults) > 1 else 0.0)
    writers.forgets = any(fault.forgets for fault in faults)
    writers.by_hand = not deployment.copies
    for number in NUMBERS:
        if not ledger.current(number) - {""}:
            writers.write_by_hand(number)
    callers = Callers(
        deployment.target, plan.seed, deployment.way_in if plan.hurts_callers else None, deployment.switches
    )
    evidence = Evidence(folder, deployment, ledger, callers.answers)
    report, began = Report(plan), 0.0
    try:
        callers.start()
        writers.start()
        time.sleep(_BEFORE)
        began = time.monotonic()
        _suffer(faults, plan, Harness(deployment, writers, random.Random(plan.seed)))
        over = time.monotonic()
        time.sleep(_AFTER)
        writers.stop()
        report.settled = settle(deployment, writers)
        if report.settled:
            over = time.monotonic()  # until now the copies themselves had something to mend
        report.healed = _heal(deployment, ledger, callers, over)
    except Exception as problem:
        evidence.keep({"problem": repr(problem)}, began)
        raise
    finally:
        writers.stop()
        callers.stop()
    with contextlib.suppress(Exception):
        audits = deployment.differences(gaps=any(fault.leaves_gaps for fault in faults))
        report.at_first, report.differences, report.different = len(audits[0]), len(audits[-1]), audits[-1]
    report.writes, report.oversleep = writers.done, callers.oversleep
    _judge(report, callers.answers, ledger, began)
    if not report.is_good:
        evidence.keep(report.as_dict(), began)
    return report


def _suffer(faults: Sequence[Fault], plan: Plan, harness: Harness) -> None:
    """All at a time, the second a little after the first; raises what a fault itself raises."""

    def suffer(fault: Fault, delay: float, lasts: float) -> None:
        time.sleep(delay)
        with fault.during(harness):
            time.sleep(lasts)

    delays = itertools.accumulate(itertools.repeat(plan.offset), initial=0.0)
    with ThreadPoolExecutor(len(faults)) as threads:
        begun = [threads.submit(suffer, *each) for each in zip(faults, delays, plan.lasts, strict=False)]
    for each in begun:
        each.result()


def _heal(deployment: Deployment, ledger: Ledger, callers: Callers, over: float) -> float | None:
    """Seconds since the faults were over until all is well; None when it never is."""
    end = over + HEALS_WITHIN
    while time.monotonic() < end:
        if (
            callers.are_answered(over)
            and deployment.is_ready()
            and all(_is_well(deployment.target, ledger) for _ in range(CALLERS))
        ):
            return round(time.monotonic() - over, 2)
        time.sleep(0.1)
    return None


def _is_well(target: str, ledger: Ledger) -> bool:
    """Return whether a new connection, to whichever worker, gets every number's owner of now."""
    alone = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(target, options=alone) as channel:
        stub = InboundRouterStub(channel)
        for number in NUMBERS:
            began = time.monotonic()
            reported = answer_of(number, began, outcome(stub.Lookup.future(request(number), timeout=_PATIENCE)))
            if reported.account not in ledger.current(number) or reported.flagged:
                return False
    return True


def _judge(report: Report, answers: Sequence[Answer], ledger: Ledger, began: float) -> None:
    """Judge all answers; `began`: when the faults did, monotonic."""
    for answer in answers:
        report.calls += 1
        past = answer.ended - answer.began - answer.limit
        report.worst_late = max(report.worst_late, past)
        report.late += past > MARGIN + report.oversleep
        if answer.account is None:
            report.unknown[answer.why] += 1
            report.disturbed += answer.direct and report.plan.spares_the_service and answer.why in _NO_ANSWER
            if answer.why not in _CANT_BE_KNOWN:
                report.wrong.append(f"{answer.number}: refused as {answer.why}")
            continue
        report.answered += 1
        verdict = ledger.judge(answer)
        if verdict.wrong:
            report.wrong.append(f"{verdict.wrong} ({answer.began - began:+.1f} s from when the faults began)")
        elif verdict.age and answer.flagged:
            report.flagged_stale += 1
            report.longest_flagged = max(report.longest_flagged, verdict.age)
        elif verdict.age:
            report.stale += 1
            report.longest = max(report.longest, verdict.age)


_CANT_BE_KNOWN = {  # CANCELLED: grpcio has too many calls before it to begin with this one
    "NUMBER_DATABASE_UNAVAILABLE",
    "UNAVAILABLE",
    "DEADLINE_EXCEEDED",
    "OVERLOADED",
    "CANCELLED",
}
_NO_ANSWER = {"UNAVAILABLE", "DEADLINE_EXCEEDED", "OVERLOADED", "CANCELLED"}
