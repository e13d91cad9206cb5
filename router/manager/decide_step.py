"""The decision step: decides each job of a batch without I/O, apart from a read of active port requests."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from router.couch.errors import CouchError
from router.lifecycle import errors
from router.lifecycle.decide import carrier_name, decide
from router.lifecycle.errors import NumberError
from router.lifecycle.maintenance import plan_maintenance
from router.lifecycle.operations import Operation, Plan
from router.lifecycle.policy import ManagerPolicy
from router.manager.carriers.registry import CarrierRegistry
from router.manager.decision_reuse import DecisionReuse
from router.manager.features.registry import FeatureRegistry
from router.manager.job import Job
from router.numbers.accounts import AccountDocument
from router.numbers.fast_replace import fast_replace
from router.numbers.rules import Rules
from router.reference_data.active_port_requests import ActivePortRequests

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BatchContext:
    """Rules, policy and time that a whole batch is decided by.

    Attributes:
        now: Gregorian seconds.
    """

    rules: Rules
    policy: ManagerPolicy
    now: int


class DecideStep:
    """Decides jobs. Thread-safe."""

    def __init__(self, carriers: CarrierRegistry, features: FeatureRegistry, ports: ActivePortRequests) -> None:
        self._carriers = carriers
        self._features = features
        self._ports = ports

    def decide(self, jobs: Iterable[Job], accounts: Mapping[str, AccountDocument], terms: BatchContext) -> None:
        """Give each job its plan, or settle it: refused, nothing to do, or only asked what would be."""
        reuse = DecisionReuse()
        for job in jobs:
            self._decide_one(job, accounts, terms, reuse)

    def _decide_one(
        self, job: Job, accounts: Mapping[str, AccountDocument], terms: BatchContext, reuse: DecisionReuse
    ) -> None:
        try:
            self._decide(job, accounts, terms, reuse)
        except NumberError as refusal:
            job.fail(refusal)
        except CouchError as problem:
            job.fail(errors.unavailable(str(problem)))
        except RecursionError:
            job.fail(errors.invalid("its fields are nested too deeply: make them flatter"))
        except Exception:
            log.exception("decision failed: operation=%s number=%s", job.ask.operation, job.number)
            job.fail(errors.internal())

    def _decide(
        self, job: Job, accounts: Mapping[str, AccountDocument], terms: BatchContext, reuse: DecisionReuse
    ) -> None:
        if job.stored.problem is not None:
            raise job.stored.problem
        if job.base is None:
            job.base = job.stored.base
        known = reuse.reuse_for(job)
        if known is not None and not self._is_porting(job):
            job.plan, job.features = known
            job.account_warnings = _account_warnings(job.plan, accounts)
            return
        job.plan = plan = self._plan(job, accounts, terms)
        if plan is None:
            job.settle(job.stored.document, unchanged=True)
            return
        job.account_warnings = _account_warnings(plan, accounts)
        job.features = self._features.prepare(plan, job.ask, terms.rules.config, accounts)
        if not (plan.changed or job.features.changed):
            job.settle(plan.after, unchanged=True)
        elif job.ask.dry_run:
            would = plan.before if plan.after is None else fast_replace(job.features.after or plan.after, revision="")
            job.settle(would, deleted=plan.after is None)
        reuse.remember(job)

    def _plan(self, job: Job, accounts: Mapping[str, AccountDocument], terms: BatchContext) -> Plan | None:
        document = job.stored.document
        if job.due:
            return None if document is None else plan_maintenance(document, terms.policy, terms.now)
        carrier = self._carriers.find(carrier_name(job.ask, document, terms.policy))
        porting = self._is_porting(job)
        return decide(job.ask, document, accounts, terms.policy, carrier, porting=porting, now=terms.now)

    def _is_porting(self, job: Job) -> bool:
        """Return whether an active port request names the number.

        Only a number that is created where no document exists is checked, unless a completed port request creates it.
        """
        document, ask = job.stored.document, job.ask
        if ask.operation is not Operation.CREATE or ask.ported_in or not (document is None or document.deleted):
            return False
        return bool(self._ports.naming(job.number))


def _account_warnings(plan: Plan, accounts: Mapping[str, AccountDocument]) -> tuple[str, ...]:
    """Return warnings about an assignment that KAZOO allows but that is usually a mistake."""
    account = plan.after.assigned_to if plan.after is not None else None
    if account is None or account in accounts or (plan.before is not None and plan.before.assigned_to == account):
        return ()
    return (f"account {account} is not in the database accounts, or marked deleted there: is the id right?",)
