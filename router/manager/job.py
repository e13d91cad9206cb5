"""The states of one operation in the pipeline: Pending → Decided → Sent → Settled.

Every state is an immutable value; each step returns the next one. After a conflict a Sent becomes a Pending again,
which keeps what must not happen twice: a completed carrier step, and a write that may have succeeded. States are named
tuples because an import makes millions of them: one takes 0.26 µs, a frozen dataclass 0.98 µs.
"""

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from router.lifecycle.errors import NumberError
from router.lifecycle.operations import CarrierStep, OperationRequest, Plan
from router.manager.features.plan import FeaturePlan
from router.manager.outcomes import Outcome
from router.manager.read_step import StoredNumber
from router.numbers.documents import NumberDocument
from router.numbers.fast_replace import fast_replace

log = logging.getLogger(__name__)


class Job(NamedTuple):
    """One operation on one number.

    Attributes:
        request: its number is E.164.
        database: the number's.
        maintenance: carry out only what is due by time (see `router.lifecycle.maintenance`).
    """

    request: OperationRequest
    database: str
    maintenance: bool = False

    @property
    def number(self) -> str:
        """E.164."""
        return self.request.number


class CarrierDone(NamedTuple):
    """A carrier step that was completed.

    Attributes:
        key: of the order.
        data: the module data that the carrier returned.
    """

    step: CarrierStep
    module: str
    key: str
    data: Mapping[str, Any]


class Settled(NamedTuple):
    """A job with its outcome.

    Attributes:
        stored: the number after the operation.
        before: the document before it; None: there was none.
    """

    job: Job
    outcome: Outcome
    stored: StoredNumber = StoredNumber()
    before: NumberDocument | None = None


class Pending(NamedTuple):
    """A job to decide.

    Attributes:
        stored: the number as this attempt has read it.
        base: the number's revision when it was first decided; None: not decided yet.
        carrier: completed by an earlier attempt.
        sent: the last write, which may have succeeded.
        unconfirmed: CouchDB did not confirm a write.
        withdrawn: a write of it was withdrawn from CouchDB's copies, so that all copies have to be read.
    """

    job: Job
    stored: StoredNumber = StoredNumber()
    base: str | None = None
    carrier: CarrierDone | None = None
    sent: "Sent | None" = None
    unconfirmed: bool = False
    withdrawn: bool = False

    @property
    def number(self) -> str:
        """E.164."""
        return self.job.request.number

    def read(self, stored: StoredNumber) -> "Pending":
        """Return the job with the number as it was read; `_replace` would take three times as long."""
        return Pending(self.job, stored, self.base, self.carrier, self.sent, self.unconfirmed, self.withdrawn)

    def settle(self, document: NumberDocument | None, *, unchanged: bool = False) -> Settled:
        """Return the outcome of a job that needs no plan."""
        return Settled(self.job, Outcome(self.number, document, unchanged=unchanged), self.stored)

    def fail(self, error: NumberError) -> Settled:
        """Return the outcome of a job that is refused or failed."""
        return _failed(self.job, self.carrier, error, self.stored)


class Decided(NamedTuple):
    """A job with its plan.

    Attributes:
        pending: the job as it was decided.
        base: the number's revision when it was first decided; orders to carriers and providers are named after it.
        warnings: reported if the plan is carried out.
        carrier: completed by this attempt or an earlier one.
    """

    pending: Pending
    base: str
    plan: Plan
    features: FeaturePlan
    warnings: tuple[str, ...] = ()
    carrier: CarrierDone | None = None

    @property
    def job(self) -> Job:
        """The job."""
        return self.pending.job

    @property
    def number(self) -> str:
        """E.164."""
        return self.pending.job.request.number

    @property
    def key(self) -> str:
        """Identical for every repetition of this operation on the same document, in any process.

        It lets a carrier that was asked just before a crash recognise the repetition. The revision of the document,
        or of its deletion, tells a repetition from a later order of the same number.
        """
        return f"{self.number}:{self.base or 'new'}"

    @property
    def carrier_data(self) -> Mapping[str, Any] | None:
        """The module data after the plan's carrier step; None: the plan has no step."""
        if self.carrier is None or self.carrier.step is not self.plan.carrier:
            return None
        return self.carrier.data

    def settle(
        self,
        document: NumberDocument | None,
        stored: StoredNumber | None = None,
        *,
        unchanged: bool = False,
        deleted: bool = False,
    ) -> Settled:
        """Return the outcome of a plan that is carried out, needs no work, or is a dry run.

        Args:
            stored: the number after the operation; None: it was not written.
        """
        outcome = Outcome(
            self.number,
            document,
            unchanged=unchanged,
            deleted=deleted,
            warnings=(*self.warnings, *self.features.warnings),
        )
        return Settled(self.job, outcome, self.pending.stored if stored is None else stored, self.plan.before)

    def fail(self, error: NumberError) -> Settled:
        """Return the outcome of a plan that failed."""
        return _failed(self.job, self.carrier, error, self.pending.stored)


class Sent(NamedTuple):
    """A document that was encoded for writing.

    Attributes:
        body: the JSON that is written.
        after: the document as it will be read; None: a deletion.
    """

    decided: Decided
    body: Mapping[str, Any]
    after: NumberDocument | None

    @property
    def number(self) -> str:
        """E.164."""
        return self.decided.pending.job.request.number

    @property
    def base(self) -> str:
        """The revision that the write replaces; empty: none."""
        return self.decided.pending.stored.base

    def settle(self, revision: str) -> Settled:
        """Return the outcome of a write that CouchDB confirmed with this revision."""
        if self.after is None:
            return self.decided.settle(self.decided.plan.before, StoredNumber(None, revision), deleted=True)
        document = fast_replace(self.after, revision=revision, fields={**self.after.fields, "_rev": revision})
        return self.decided.settle(document, StoredNumber(document, revision))

    def retry(self, *, unconfirmed: bool, guessed: bool, withdrawn: bool = False) -> Pending:
        """Return the job, to be decided again.

        Args:
            unconfirmed: CouchDB did not confirm this write.
            guessed: the decision was made without reading the number: nothing of it is kept, except for a write that
                may have succeeded.
            withdrawn: this write was withdrawn, so that finding it stored proves nothing.
        """
        pending = self.decided.pending
        unconfirmed = unconfirmed or pending.unconfirmed
        may_be_stored = not withdrawn and (unconfirmed or not guessed)
        return Pending(
            pending.job,
            base=None if guessed else self.decided.base,
            carrier=None if guessed else self.decided.carrier,
            sent=self if may_be_stored else None,
            unconfirmed=unconfirmed,
            withdrawn=withdrawn or pending.withdrawn,
        )


def _failed(job: Job, carrier: CarrierDone | None, error: NumberError, stored: StoredNumber) -> Settled:
    """Return a failed job; the error names a carrier step that was completed."""
    if carrier is not None:
        message = (
            f"{error.message}; {carrier.module} had {_DONE[carrier.step]} already (order {carrier.key}): look there"
        )
        error = NumberError(error.code, error.error, error.cause, message)
        log.error(
            "carrier step completed, operation failed: operation=%s number=%s error=%s",
            job.request.operation,
            job.number,
            error,
        )
    return Settled(job, Outcome(job.number, error=error), stored)


_DONE = {CarrierStep.ACQUIRE: "acquired it", CarrierStep.DISCONNECT: "given it up"}
