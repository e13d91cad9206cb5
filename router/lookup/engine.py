"""Lookup engine: normalises the numbers of a batch, and asks one answer source after the other."""

import time
from collections.abc import Sequence

from router.lookup.active_rules import ActiveRules
from router.lookup.batch import Batch
from router.lookup.call import Call
from router.lookup.responder import Responder
from router.lookup.sources.near import NearCacheSource
from router.lookup.sources.source import AnswerSource
from router.numbers.fields import printable
from router.numbers.normaliser import MAX_NUMBER_BYTES, UnknownDialPlanError, is_too_long
from router.numbers.routes import Reason, Refused
from router.numbers.rules import Rules
from router.runtime.counters import Counters
from router.trust.monitor import TrustMonitor
from router.trust.trust import Trust


class LookupEngine:
    """Answers calls in batches.

    Args:
        sources: the chain, in order; the last one leaves no call unanswered.
        near_cache: answers unary calls by the bytes of their requests; in the chain as well, unless it is switched off.

    Attributes:
        sources: the chain.
    """

    def __init__(
        self,
        sources: Sequence[AnswerSource],
        responder: Responder,
        rules: ActiveRules,
        trust: TrustMonitor,
        near_cache: NearCacheSource,
    ) -> None:
        self.sources = sources
        self._responder = responder
        self._rules = rules
        self._trust = trust
        self.near_cache = near_cache

    @property
    def counts(self) -> Counters:
        """Outcomes by name, for metrics."""
        return self._responder.counts

    @property
    def trust(self) -> Trust:
        """The trust in each cache now."""
        return self._trust.current

    def answer(self, calls: Sequence[Call]) -> None:
        """Answer each call once: at once what a cache holds, the rest when the database was read.

        No source waits for a database.
        """
        # Before the rules are read: no answer is kept that came from rules which have changed meanwhile.
        generation = self.near_cache.generation()
        rules = self._rules.current
        cached, authoritative = self._normalise(calls, rules)
        batch = Batch(cached, authoritative, rules.policy, generation)
        traces = [call.trace for call in calls if call.trace is not None]
        for source in self.sources:
            batch = source.resolve(batch, self._trust.current)
            # The last source answers later, and the answer notes that step.
            if traces and source.LAYER and source is not self.sources[-1]:
                for trace in traces:
                    trace.step(source.LAYER)

    def _normalise(self, calls: Sequence[Call], rules: Rules) -> tuple[list[Call], list[Call]]:
        """Return the calls with a number to look up, and the authoritative ones among them apart; answer the others."""
        now = time.monotonic()
        e164 = rules.normaliser.e164
        cached: list[Call] = []
        authoritative: list[Call] = []
        for call in calls:
            if call.deadline <= now:
                self.counts.add("expired")
                call.expire()
                continue
            try:
                target = e164(call.number, call.dial_plan)
            except UnknownDialPlanError as problem:
                number = printable(call.number)
                self._responder.refuse(call, Refused(Reason.NOT_RECONCILABLE, number, message=str(problem)))
                continue
            call.e164 = target.number
            refusal = _unroutable(target.number, reconcilable=target.reconcilable)
            if refusal is not None:
                self._responder.refuse(call, refusal)
                continue
            (authoritative if call.authoritative else cached).append(call)
        return cached, authoritative


def _unroutable(number: str, *, reconcilable: bool) -> Refused | None:
    if is_too_long(number):
        size = len(number.encode("utf-8", "replace"))
        return Refused(
            Reason.NOT_RECONCILABLE,
            printable(number),
            message=f"a number of {size:,} bytes, and at most {MAX_NUMBER_BYTES} are read: send nothing but the number",
        )
    if not reconcilable:
        return Refused(
            Reason.NOT_RECONCILABLE,
            printable(number),
            message=f"'{printable(number)}' is not a routable number under the dial plan: "
            "send E.164, or name the dial plan it was dialled under",
        )
    if not (number.startswith("+") and number[1:].isdecimal()):
        return Refused(
            Reason.NUMBER_NOT_FOUND,
            printable(number),
            message=f"'{printable(number)}' did not come to E.164, and number documents are kept under E.164: "
            "name the dial plan it was dialled under",
        )
    return None
