"""Reuse of a decision for the next row of an import that differs only in number and account.

The rows of an import come in blocks with the same settings, and deciding each row took two fifths of an import's own
time (43 of 99 µs a row; 6 µs with reuse). A decision is reused only if nothing in it depends on the number or the
account, and only if no plug-in provider has work to do.
"""

from router.lifecycle.operations import SYSTEM, Operation, OperationRequest, Plan
from router.lifecycle.permissions import is_account_id
from router.manager.features.calls import CallFeature
from router.manager.features.plan import FeaturePlan
from router.manager.job import Decided, Pending
from router.numbers.documents import NumberDocument
from router.numbers.fast_replace import fast_replace


class DecisionReuse:
    """Holds a batch's last reusable decision. One batch only: configuration and time belong to the batch."""

    def __init__(self) -> None:
        self._decided: tuple[OperationRequest, Plan, FeaturePlan] | None = None

    def reuse_for(self, pending: Pending) -> tuple[Plan, FeaturePlan] | None:
        """Return the plans for this job, derived from the last decision, or None if the job differs from it.

        The caller must still check that no port request names the number.
        """
        if self._decided is None or not _is_reusable_import(pending):
            return None
        previous, plan, features = self._decided
        request = pending.job.request
        if not _same_settings(request, previous):
            return None
        made = Plan(None, _for_request(plan.after, request), plan.carrier, plan.clears_features, plan.changed)
        after = _for_request(features.after, request)
        return made, FeaturePlan(None, after, features.encoding, (), features.activations, features.warnings)

    def remember(self, decided: Decided) -> None:
        """Keep a job's decision if later jobs may reuse it."""
        plan, features, request = decided.plan, decided.features, decided.job.request
        if not _is_reusable_import(decided.pending):
            return
        if _is_independent(plan, request) and not features.removals and _only_call_features(features):
            self._decided = (request, plan, features)


def _is_reusable_import(pending: Pending) -> bool:
    """Return whether the job imports a number that has no document."""
    request, stored = pending.job.request, pending.stored
    return (
        request.operation is Operation.CREATE
        and request.auth_by == SYSTEM
        and request.imported is not None
        and request.imported.document is None
        and stored.document is None
        and stored.problem is None
        and not (request.dry_run or pending.job.maintenance)
        and is_account_id(request.assign_to)
    )


def _same_settings(request: OperationRequest, previous: OperationRequest) -> bool:
    return (
        request.public_fields == previous.public_fields
        and request.imported == previous.imported
        and (request.state, request.module_name, request.ported_in)
        == (previous.state, previous.module_name, previous.ported_in)
    )


def _is_independent(plan: Plan, request: OperationRequest) -> bool:
    """Return whether the account appears in `assigned_to` alone; a reserved number also has it in its history."""
    after = plan.after
    return after is not None and after.assigned_to == request.assign_to and not after.reserve_history


def _only_call_features(features: FeaturePlan) -> bool:
    """Return whether only built-in providers have work; a plug-in may keep or change the settings it gets."""
    return all(isinstance(task.provider, CallFeature) for task in features.activations)


def _for_request(after: NumberDocument | None, request: OperationRequest) -> NumberDocument | None:
    return None if after is None else fast_replace(after, number=request.number, assigned_to=request.assign_to)
