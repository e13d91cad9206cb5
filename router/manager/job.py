"""One ask on its way through the pipeline, and what must not be done twice for it."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from router.lifecycle.errors import NumberError
from router.lifecycle.operations import CarrierStep, OperationRequest, Plan
from router.manager.features.plan import FeaturePlan
from router.manager.outcomes import Outcome
from router.manager.read_step import StoredNumber
from router.numbers.documents import NumberDocument
from router.numbers.fast_replace import fast_replace

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CarrierDone:
    """A step that a carrier has taken.

    Attributes:
        key: the order's.
        data: the module data that it gave.
    """

    step: CarrierStep
    module: str
    key: str
    data: Mapping[str, Any]


@dataclass(slots=True)
class Job:
    """One ask's state.

    Attributes:
        ask: its number is E.164.
        database: the number's.
        due: nobody asks: it is done if it is due (see `router.lifecycle.maintenance`).
        base: what stood when it was first decided; orders to carriers and providers are named after it.
        found, plan, features, doubts: of the present round; the last are warnings, should it be done.
        carrier: done, in this round or an earlier one.
        after: what was sent last, as it is read; None: a deletion.
        upon: the revision that it was to follow.
        sent: the JSON that was sent to be written; None before.
        unsure: CouchDB did not say what became of it.
        outcome: set once it is settled.
    """

    ask: OperationRequest
    database: str
    due: bool = False
    base: str | None = None
    stored: StoredNumber = field(default_factory=StoredNumber)
    plan: Plan | None = None
    features: FeaturePlan | None = None
    account_warnings: tuple[str, ...] = ()
    carrier: CarrierDone | None = None
    after: NumberDocument | None = None
    upon: str = ""
    sent: Mapping[str, Any] | None = None
    write_unconfirmed: bool = False
    outcome: Outcome | None = None

    @property
    def number(self) -> str:
        """E.164."""
        return self.ask.number

    @property
    def key(self) -> str:
        """The same for every repetition of this ask upon the same document, by whomever.

        So a carrier that was asked just before a crash can tell that it is asked again. The revision of what
        stood, or of its deletion, tells a repetition from a later order of the same number.
        """
        return f"{self.number}:{self.base or 'new'}"

    def fail(self, error: NumberError) -> None:
        """Nothing comes of it; a carrier that was asked already is told of in the error."""
        if self.carrier is not None:
            done = _DONE[self.carrier.step]
            message = (
                f"{error.message}; {self.carrier.module} had {done} already (order {self.carrier.key}): look there"
            )
            error = NumberError(error.code, error.error, error.cause, message)
            log.error(
                "carrier acted but the operation failed: operation=%s number=%s error=%s",
                self.ask.operation,
                self.number,
                error,
            )
        self.outcome = Outcome(self.number, error=error)

    def settle(self, document: NumberDocument | None, **more: Any) -> None:
        """It is done, or needs no doing."""
        warnings = self.features.warnings if self.features is not None else ()
        self.outcome = Outcome(self.number, document, warnings=(*self.account_warnings, *warnings), **more)

    def defer_copies(self, accounts: Iterable[str]) -> None:
        """Say of a settled job that its account copies are yet to be written.

        Args:
            accounts: those among them that its document does not name any more.
        """
        if self.outcome is not None:
            self.outcome = fast_replace(self.outcome, copies_deferred=True, copies_of=tuple(sorted(accounts)))

    def warn(self, message: str) -> None:
        """Add to a settled job's warnings."""
        if self.outcome is not None and message not in self.outcome.warnings:
            self.outcome = fast_replace(self.outcome, warnings=(*self.outcome.warnings, message))


_DONE = {CarrierStep.ACQUIRE: "acquired it", CarrierStep.DISCONNECT: "given it up"}
