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
from router.manager.job import Decided, Pending, Settled
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

    def __init__(self, carriers: CarrierRegistry, features: FeatureRegistry, port_requests: ActivePortRequests) -> None:
        self._carriers = carriers
        self._features = features
        self._port_requests = port_requests

    def decide(
        self, pending: Iterable[Pending], accounts: Mapping[str, AccountDocument], context: BatchContext
    ) -> list[Decided | Settled]:
        """Decide jobs, in order. A job is settled if it is refused, needs no work, or is a dry run."""
        reuse = DecisionReuse()
        return [self._decide_safely(each, accounts, context, reuse) for each in pending]

    def _decide_safely(
        self, pending: Pending, accounts: Mapping[str, AccountDocument], context: BatchContext, reuse: DecisionReuse
    ) -> Decided | Settled:
        try:
            return self._decide(pending, accounts, context, reuse)
        except NumberError as refusal:
            return pending.fail(refusal)
        except CouchError as problem:
            return pending.fail(errors.unavailable(str(problem)))
        except RecursionError:
            return pending.fail(errors.invalid("its fields are nested too deeply: make them flatter"))
        except Exception:
            log.exception("decision failed: operation=%s number=%s", pending.job.request.operation, pending.number)
            return pending.fail(errors.internal())

    def _decide(
        self, pending: Pending, accounts: Mapping[str, AccountDocument], context: BatchContext, reuse: DecisionReuse
    ) -> Decided | Settled:
        if pending.stored.problem is not None:
            raise pending.stored.problem
        base = pending.stored.base if pending.base is None else pending.base
        reused = reuse.reuse_for(pending)
        if reused is not None and not self._is_porting(pending):
            plan, features = reused
            return Decided(pending, base, plan, features, _account_warnings(plan, accounts), pending.carrier)
        made = self._plan(pending, accounts, context)
        if made is None:
            return pending.settle(pending.stored.document, unchanged=True)
        request = pending.job.request
        features = self._features.prepare(made, request, context.rules.config, accounts)
        decided = Decided(pending, base, made, features, _account_warnings(made, accounts), pending.carrier)
        if not (made.changed or features.changed):
            return decided.settle(made.after, unchanged=True)
        if request.dry_run:
            return _dry_run(decided)
        reuse.remember(decided)
        return decided

    def _plan(self, pending: Pending, accounts: Mapping[str, AccountDocument], context: BatchContext) -> Plan | None:
        document, request = pending.stored.document, pending.job.request
        if pending.job.maintenance:
            return None if document is None else plan_maintenance(document, context.policy, context.now)
        carrier = self._carriers.find(carrier_name(request, document, context.policy))
        porting = self._is_porting(pending)
        return decide(request, document, accounts, context.policy, carrier, porting=porting, now=context.now)

    def _is_porting(self, pending: Pending) -> bool:
        """Return whether an active port request names the number.

        Only a number that is created where no document exists is checked, unless a completed port request creates it.
        """
        document, request = pending.stored.document, pending.job.request
        if request.operation is not Operation.CREATE or request.ported_in:
            return False
        if document is not None and not document.deleted:
            return False
        return bool(self._port_requests.naming(pending.number))


def _dry_run(decided: Decided) -> Settled:
    """Return the outcome of a dry run: the document as it would be, or the one that would be deleted."""
    plan = decided.plan
    if plan.after is None:
        return decided.settle(plan.before, deleted=True)
    return decided.settle(fast_replace(decided.features.after or plan.after, revision=""))


def _account_warnings(plan: Plan, accounts: Mapping[str, AccountDocument]) -> tuple[str, ...]:
    """Return warnings about an assignment that KAZOO allows but that is usually a mistake."""
    account = plan.after.assigned_to if plan.after is not None else None
    if account is None or account in accounts or (plan.before is not None and plan.before.assigned_to == account):
        return ()
    return (f"account {account} is not in the database accounts, or marked deleted there: is the id right?",)
