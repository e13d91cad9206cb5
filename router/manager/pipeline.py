"""The update pipeline: read, decide, call external services, write, batch by batch. Conflicts are decided again."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from router.couch.errors import CouchError
from router.lifecycle import errors
from router.lifecycle.decide import accounts_to_read
from router.lifecycle.operations import SYSTEM, CarrierStep, Operation
from router.manager.cache_publisher import CachePublisher
from router.manager.decide_step import BatchContext, DecideStep
from router.manager.external_steps import ExternalSteps
from router.manager.job import Decided, Job, Pending, Sent, Settled
from router.manager.read_step import BATCH_SIZE, Reader, StoredNumber, map_concurrently
from router.manager.sent_documents import encode, was_already_written
from router.manager.write_step import DocumentWriter, WriteResult
from router.runtime.backoff import contention_delay
from router.runtime.chunked import chunked

MAX_ATTEMPTS = 20
"""Decisions per number while concurrent writers keep changing it."""
_CONFLICT_BACKOFF = 0.004
"""Seconds, per attempt: upper bound of the random wait before the next one."""
_ABSENT = StoredNumber()
"""A number without a document."""


class PipelineResult(NamedTuple):
    """The outcomes of a batch.

    Attributes:
        settled: in the order of the jobs.
        epochs: database → its epoch in the cache, from before it was read.
    """

    settled: list[Settled]
    epochs: dict[str, str]


class _Attempt(NamedTuple):
    """One attempt's result: settled jobs, and jobs to decide again."""

    settled: list[Settled]
    pending: list[Pending]


class UpdatePipeline:
    """Takes jobs of different numbers to their outcomes. Thread-safe."""

    def __init__(
        self,
        reader: Reader,
        decider: DecideStep,
        external_steps: ExternalSteps,
        writer: DocumentWriter,
        publisher: CachePublisher,
        pool: ThreadPoolExecutor,
    ) -> None:
        self._reader = reader
        self._decider = decider
        self._external_steps = external_steps
        self._writer = writer
        self._publisher = publisher
        self._pool = pool

    def run(self, jobs: Sequence[Job], context: BatchContext, *, guess: bool = False) -> PipelineResult:
        """Settle every job.

        Args:
            jobs: of different numbers.
            guess: take an import's numbers for new until CouchDB reports a conflict: reading a missing document costs
                as much as writing one.
        """
        epochs: dict[str, str] = {}
        settled: dict[str, Settled] = {}
        pending = [Pending(job) for job in jobs]
        for attempt in range(MAX_ATTEMPTS):
            if attempt:
                time.sleep(contention_delay(attempt, _CONFLICT_BACKOFF))
            epochs |= self._publisher.epochs({each.job.database for each in pending})
            result = self._attempt(pending, context, guess=guess and attempt == 0)
            settled |= {each.job.number: each for each in result.settled}
            pending = result.pending
            if not pending:
                break
        settled |= {each.number: each.fail(errors.contended(each.number)) for each in pending}
        return PipelineResult([settled[job.number] for job in jobs], epochs)

    def _attempt(self, pending: Sequence[Pending], context: BatchContext, *, guess: bool) -> _Attempt:
        guessed = {each.number for each in pending if guess and _is_likely_new(each.job)}
        unread = [each for each in pending if each.number not in guessed]
        stored = self._reader.numbers([each.number for each in unread if not each.withdrawn])
        stored |= self._reader.numbers([each.number for each in unread if each.withdrawn], every_copy=True)
        read = [each.read(stored.get(each.number, _ABSENT)) for each in pending]
        settled, left = _partition(read, was_already_written)
        try:
            accounts = self._reader.accounts(_accounts_of(left))
        except CouchError as problem:
            unavailable = errors.unavailable(str(problem))
            return _Attempt([*settled, *(each.fail(unavailable) for each in left)], [])
        decided: list[Decided] = []
        retries: list[Pending] = []
        for before, after in zip(left, self._decider.decide(left, accounts, context), strict=True):
            # The current document may change a refusal, and external services are never called on a guess.
            if before.number in guessed and (isinstance(after, Settled) or _calls_external_services(after)):
                retries.append(Pending(before.job))
            elif isinstance(after, Settled):
                settled.append(after)
            else:
                decided.append(after)
        result = self._carry_out(decided, context, guessed)
        return _Attempt(settled + result.settled, retries + result.pending)

    def _carry_out(self, decided: Sequence[Decided], context: BatchContext, guessed: set[str]) -> _Attempt:
        result = _Attempt([], [])
        by_database: defaultdict[str, list[Sent]] = defaultdict(list)
        for each in self._prepare(decided, context):
            if isinstance(each, Settled):
                result.settled.append(each)
            else:
                by_database[each.decided.job.database].append(each)
        batches = [batch for group in by_database.values() for batch in chunked(group, BATCH_SIZE)]
        for batch, written in zip(batches, map_concurrently(self._pool, self._write, batches), strict=True):
            for sent in batch:
                after = _after_write(sent, written[sent.number], guessed=sent.number in guessed)
                if isinstance(after, Settled):
                    result.settled.append(after)
                else:
                    result.pending.append(after)
        return result

    def _prepare(self, decided: Sequence[Decided], context: BatchContext) -> list[Sent | Settled]:
        """Call external services and encode the documents; in parallel if a service takes time."""

        def prepare(each: Decided) -> Sent | Settled:
            called = self._external_steps.run(each, context.policy)
            return called if isinstance(called, Settled) else encode(called.decided, called.after, context.now)

        if any(_calls_external_services(each) for each in decided):
            return map_concurrently(self._pool, prepare, decided)
        return [prepare(each) for each in decided]

    def _write(self, batch: Sequence[Sent]) -> dict[str, WriteResult]:
        return self._writer.write(batch[0].decided.job.database, [sent.body for sent in batch])


def committed_state(settled: Iterable[Settled]) -> dict[str, dict[str, StoredNumber]]:
    """Return the numbers of settled jobs as they are stored now, by database."""
    states: defaultdict[str, dict[str, StoredNumber]] = defaultdict(dict)
    for each in settled:
        states[each.job.database][each.job.number] = each.stored
    return states


def _partition(
    pending: Iterable[Pending], settle: Callable[[Pending], Settled | None]
) -> tuple[list[Settled], list[Pending]]:
    settled: list[Settled] = []
    left: list[Pending] = []
    for each in pending:
        result = settle(each)
        if result is None:
            left.append(each)
        else:
            settled.append(result)
    return settled, left


def _is_likely_new(job: Job) -> bool:
    request = job.request
    return request.operation is Operation.CREATE and request.imported is not None and not request.dry_run


def _calls_external_services(decided: Decided) -> bool:
    """Return whether a service outside the router is called, which takes time."""
    tasks = (*decided.features.removals, *decided.features.activations)
    return decided.plan.carrier is not CarrierStep.NONE or any(task.provider.external for task in tasks)


def _accounts_of(pending: Iterable[Pending]) -> set[str]:
    accounts: set[str] = set()
    for each in pending:
        accounts |= accounts_to_read(each.job.request, each.stored.document)
    return accounts - {SYSTEM}


def _after_write(sent: Sent, written: WriteResult, *, guessed: bool) -> Settled | Pending:
    """Return the outcome of a write, or the job to decide again."""
    if written.revision:
        settled = sent.settle(written.revision)
        return settled._replace(outcome=settled.outcome.with_warnings(written.warning)) if written.warning else settled
    if written.conflict:
        return sent.retry(unconfirmed=False, guessed=guessed, withdrawn=written.withdrawn)
    problem = written.problem or errors.internal()
    if problem.cause == errors.UNAVAILABLE and not sent.decided.pending.unconfirmed:
        # The write may have succeeded: the next attempt finds the result, or writes against the same revision.
        return sent.retry(unconfirmed=True, guessed=guessed)
    return sent.decided.fail(problem)
