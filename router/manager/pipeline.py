"""The way of a change, a batch at a time: read, decide, ask others, write; what was in conflict once more."""

import logging
import random
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson

from router.couch.errors import CouchError
from router.lifecycle import errors
from router.lifecycle.decide import accounts_to_read
from router.lifecycle.document_writer import encode_document, encode_restored_document
from router.lifecycle.errors import NumberError
from router.lifecycle.operations import SYSTEM, CarrierStep, Operation
from router.manager.cache_publisher import CachePublisher
from router.manager.decide_step import BatchContext, DecideStep
from router.manager.external_steps import ExternalSteps
from router.manager.job import Job
from router.manager.read_step import BATCH_SIZE, Reader, StoredNumber, map_concurrently
from router.manager.write_step import DocumentWriter, WriteResult
from router.numbers import documents
from router.numbers.documents import NumberDocument
from router.numbers.fast_replace import fast_replace
from router.numbers.fields import Skipped

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 20
"""Times that a number is decided, others changing it in between."""
_RETRY_BACKOFF = 0.004
"""Seconds that the second try waits at most; later ones longer."""


class UpdatePipeline:
    """Takes jobs of different numbers to their outcomes. Threads share it."""

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

    def run(self, jobs: Sequence[Job], terms: BatchContext, *, guess: bool = False) -> dict[str, str]:
        """Settle every job.

        Args:
            guess: take an import's numbers for new until CouchDB objects: reading what isn't there costs as much
                as writing it.

        Returns:
            The epochs of their databases in the cache, from before they were read.
        """
        epochs: dict[str, str] = {}
        left = list(jobs)
        for attempt in range(MAX_ATTEMPTS):
            if attempt:
                time.sleep(random.uniform(0.0, _RETRY_BACKOFF * attempt))  # noqa: S311 - nothing secret
            epochs |= self._publisher.epochs({job.database for job in left})
            left = self._round(left, terms, guess=guess and attempt == 0)
            if not left:
                return epochs
        for job in left:
            job.fail(errors.contended(job.number))
        return epochs

    def _round(self, jobs: Sequence[Job], terms: BatchContext, *, guess: bool) -> list[Job]:
        """One round; returns those that have to be decided again."""
        guessed = {job.number for job in jobs if guess and _is_likely_new(job)}
        stored = self._reader.numbers([job.number for job in jobs if job.number not in guessed])
        for job in jobs:
            job.stored = stored.get(job.number, StoredNumber())
        jobs = [job for job in jobs if not _was_already_written(job)]
        try:
            accounts = self._reader.accounts(_accounts_of(jobs))
        except CouchError as problem:
            for job in jobs:
                job.fail(errors.unavailable(str(problem)))
            return []
        self._decider.decide(jobs, accounts, terms)
        # A refusal may read otherwise of what stands, and nobody outside is asked on a guess.
        retries = [job for job in jobs if job.number in guessed and (job.outcome is not None or _has_outside_work(job))]
        numbers = {job.number for job in retries}
        retries += self._carry_out([job for job in jobs if job.outcome is None and job.number not in numbers], terms)
        for job in retries:
            if job.number in guessed:
                _forget(job)
        return retries

    def _carry_out(self, jobs: Sequence[Job], terms: BatchContext) -> list[Job]:
        by_database: defaultdict[str, list[Job]] = defaultdict(list)
        for job, after in zip(jobs, self._run_external_steps(jobs, terms), strict=True):
            if job.outcome is None:
                _prepare(job, after, terms.now)
            if job.outcome is None:
                by_database[job.database].append(job)
        pieces = [
            group[start : start + BATCH_SIZE]
            for group in by_database.values()
            for start in range(0, len(group), BATCH_SIZE)
        ]
        retries: list[Job] = []
        for group, written in zip(pieces, map_concurrently(self._pool, self._write, pieces), strict=True):
            retries += [job for job in group if _must_retry(job, written[job.number])]
        return retries

    def _run_external_steps(self, jobs: Sequence[Job], terms: BatchContext) -> list[NumberDocument | None]:
        if any(_has_outside_work(job) for job in jobs):
            return map_concurrently(self._pool, lambda job: self._run_external(job, terms), jobs)
        return [self._run_external(job, terms) for job in jobs]

    def _run_external(self, job: Job, terms: BatchContext) -> NumberDocument | None:
        try:
            return self._external_steps.run(job, terms.policy)
        except NumberError as refusal:
            job.fail(refusal)
        except Exception:
            log.exception("external step failed: operation=%s number=%s", job.ask.operation, job.number)
            job.fail(errors.internal())
        return None

    def _write(self, jobs: Sequence[Job]) -> dict[str, WriteResult]:
        return self._writer.write(jobs[0].database, [job.sent for job in jobs if job.sent is not None])


def committed_state(jobs: Sequence[Job]) -> dict[str, dict[str, StoredNumber]]:
    """By database, what stands for the numbers of settled jobs."""
    states: defaultdict[str, dict[str, StoredNumber]] = defaultdict(dict)
    for job in jobs:
        states[job.database][job.number] = job.stored
    return states


def _is_likely_new(job: Job) -> bool:
    return job.ask.operation is Operation.CREATE and job.ask.imported is not None and not job.ask.dry_run


def _forget(job: Job) -> None:
    """A wrong guess leaves no trace; only what may have been written is looked for."""
    job.base, job.outcome = None, None
    if not job.write_unconfirmed:
        job.sent = None


def _has_outside_work(job: Job) -> bool:
    """Whether somebody outside is asked, which takes time; what the router's own providers do takes none."""
    asks_carrier = job.plan is not None and job.plan.carrier is not CarrierStep.NONE
    tasks = () if job.features is None else (*job.features.removals, *job.features.activations)
    return asks_carrier or any(task.provider.external for task in tasks)


def _accounts_of(jobs: Sequence[Job]) -> set[str]:
    concerned: set[str] = set()
    for job in jobs:
        concerned |= accounts_to_read(job.ask, job.stored.document)
    return concerned - {SYSTEM}


def _prepare(job: Job, after: NumberDocument | None, now: int) -> None:
    """What is to be sent, and what it will be read as."""
    job.upon = job.stored.base
    if after is None:
        job.after, job.sent = None, {"_id": job.number, "_rev": job.stored.base, "_deleted": True}
        return
    before = job.plan.before if job.plan is not None else None
    written = encode_restored_document if job.plan is not None and job.plan.verbatim else encode_document
    sent = written(after, before, now=now)
    read = _read(after, sent)
    if isinstance(read, Skipped):  # never: what is written can be read
        log.error("encoded document unreadable: number=%s reason=%s", job.number, read.reason)
        job.fail(errors.internal())
        return
    try:
        orjson.dumps({"docs": [sent]})
    except orjson.JSONEncodeError as problem:  # of one, or the others' request would fail with it
        job.fail(errors.invalid(f"a field can't be written as JSON ({problem}): leave it out"))
        return
    job.after, job.sent = read, sent


def _read(after: NumberDocument, sent: Mapping[str, Any]) -> NumberDocument | Skipped:
    """What is sent, as it reads; a new number's document says what it was made of, which spares reading it."""
    if "_id" in after.fields:
        return documents.read(sent)
    return fast_replace(after, modified=sent["pvt_modified"], fields=sent)


def _must_retry(job: Job, written: WriteResult) -> bool:
    """Settle a job that was written, or can't be; True where it has to be decided again."""
    if written.revision:
        _settle_written(job, written.revision)
        if written.warning:
            job.warn(written.warning)
        return False
    if written.conflict:
        return True
    problem = written.problem or errors.internal()
    if problem.cause == errors.UNAVAILABLE and not job.write_unconfirmed:
        # It may have been written: the next round sees, or writes it against the same revision.
        job.write_unconfirmed = True
        return True
    job.fail(problem)
    return False


def _settle_written(job: Job, revision: str) -> None:
    if job.after is None:
        job.stored = StoredNumber(None, revision)
        job.settle(job.plan.before if job.plan is not None else None, deleted=True)
        return
    fields = {**job.after.fields, "_rev": revision}
    job.stored = StoredNumber(fast_replace(job.after, revision=revision, fields=fields), revision)
    job.settle(job.stored.document)


def _was_already_written(job: Job) -> bool:
    """Whether what was sent stands now, as the very next revision: it was written, and the answer got lost.

    Or somebody was asked for the same of the same document in the same second. To him who releases a number, doing it
    once more upon what came of it would be doing it twice, so that counts as done for both.
    """
    if job.sent is None or not _follows(job.stored.base, job.upon):
        return False
    states = None if job.stored.document is None else _ignoring_revision(job.stored.document.fields)
    if states != (None if job.after is None else _ignoring_revision(job.sent)):
        return False
    _settle_written(job, job.stored.base)
    return True


def _follows(revision: str, upon: str) -> bool:
    """Whether it is the next one; what was taken for new may have been deleted before, nobody looked how often."""
    return not upon or _generation(revision) == _generation(upon) + 1


def _ignoring_revision(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name != "_rev"}


def _generation(revision: str) -> int:
    return int(revision.partition("-")[0] or 0)
