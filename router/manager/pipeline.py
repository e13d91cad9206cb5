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
from router.manager.cache_publisher import CacheTeller
from router.manager.decide_step import Decider, Terms
from router.manager.external_steps import Outside
from router.manager.job import Job
from router.manager.read_step import AT_A_TIME, Found, Reader, each
from router.manager.write_step import DocumentWriter, Written
from router.numbers import documents
from router.numbers.documents import NumberDocument
from router.numbers.fast_replace import fast_replace
from router.numbers.fields import Skipped

log = logging.getLogger(__name__)

ROUNDS = 20
"""Times that a number is decided, others changing it in between."""
_PAUSE = 0.004
"""Seconds that the second try waits at most; later ones longer."""


class Rounds:
    """Takes jobs of different numbers to their outcomes. Threads share it."""

    def __init__(
        self,
        reader: Reader,
        decider: Decider,
        outside: Outside,
        writer: DocumentWriter,
        teller: CacheTeller,
        pool: ThreadPoolExecutor,
    ) -> None:
        self._reader = reader
        self._decider = decider
        self._outside = outside
        self._writer = writer
        self._teller = teller
        self._pool = pool

    def run(self, jobs: Sequence[Job], terms: Terms, *, guess: bool = False) -> dict[str, str]:
        """Settle every job.

        Args:
            guess: take an import's numbers for new until CouchDB objects: reading what isn't there costs as much
                as writing it.

        Returns:
            The epochs of their databases in the cache, from before they were read.
        """
        epochs: dict[str, str] = {}
        left = list(jobs)
        for attempt in range(ROUNDS):
            if attempt:
                time.sleep(random.uniform(0.0, _PAUSE * attempt))  # noqa: S311 - nothing secret
            epochs |= self._teller.epochs({job.database for job in left})
            left = self._round(left, terms, guess=guess and attempt == 0)
            if not left:
                return epochs
        for job in left:
            job.fail(errors.contended(job.number))
        return epochs

    def _round(self, jobs: Sequence[Job], terms: Terms, *, guess: bool) -> list[Job]:
        """One round; returns those that have to be decided again."""
        guessed = {job.number for job in jobs if guess and _is_likely_new(job)}
        found = self._reader.numbers([job.number for job in jobs if job.number not in guessed])
        for job in jobs:
            job.found = found.get(job.number, Found())
        jobs = [job for job in jobs if not _stands_as_sent(job)]
        try:
            accounts = self._reader.accounts(_accounts_of(jobs))
        except CouchError as problem:
            for job in jobs:
                job.fail(errors.unavailable(str(problem)))
            return []
        self._decider.decide(jobs, accounts, terms)
        # A refusal may read otherwise of what stands, and nobody outside is asked on a guess.
        again = [job for job in jobs if job.number in guessed and (job.outcome is not None or _has_outside_work(job))]
        numbers = {job.number for job in again}
        again += self._carry_out([job for job in jobs if job.outcome is None and job.number not in numbers], terms)
        for job in again:
            if job.number in guessed:
                _forget(job)
        return again

    def _carry_out(self, jobs: Sequence[Job], terms: Terms) -> list[Job]:
        by_database: defaultdict[str, list[Job]] = defaultdict(list)
        for job, after in zip(jobs, self._ask_others(jobs, terms), strict=True):
            if job.outcome is None:
                _prepare(job, after, terms.now)
            if job.outcome is None:
                by_database[job.database].append(job)
        pieces = [
            group[start : start + AT_A_TIME]
            for group in by_database.values()
            for start in range(0, len(group), AT_A_TIME)
        ]
        again: list[Job] = []
        for group, written in zip(pieces, each(self._pool, self._write, pieces), strict=True):
            again += [job for job in group if _goes_again(job, written[job.number])]
        return again

    def _ask_others(self, jobs: Sequence[Job], terms: Terms) -> list[NumberDocument | None]:
        if any(_has_outside_work(job) for job in jobs):
            return each(self._pool, lambda job: self._ask(job, terms), jobs)
        return [self._ask(job, terms) for job in jobs]

    def _ask(self, job: Job, terms: Terms) -> NumberDocument | None:
        try:
            return self._outside.work(job, terms.policy)
        except NumberError as refusal:
            job.fail(refusal)
        except Exception:
            log.exception("what %s of %s asks of others failed", job.ask.operation, job.number)
            job.fail(errors.internal())
        return None

    def _write(self, jobs: Sequence[Job]) -> dict[str, Written]:
        return self._writer.write(jobs[0].database, [job.sent for job in jobs if job.sent is not None])


def standing_of(jobs: Sequence[Job]) -> dict[str, dict[str, Found]]:
    """By database, what stands for the numbers of settled jobs."""
    stands: defaultdict[str, dict[str, Found]] = defaultdict(dict)
    for job in jobs:
        stands[job.database][job.number] = job.found
    return stands


def _is_likely_new(job: Job) -> bool:
    return job.ask.operation is Operation.CREATE and job.ask.imported is not None and not job.ask.dry_run


def _forget(job: Job) -> None:
    """A wrong guess leaves no trace; only what may have been written is looked for."""
    job.base, job.outcome = None, None
    if not job.unsure:
        job.sent = None


def _has_outside_work(job: Job) -> bool:
    """Whether somebody outside is asked, which takes time; what the router's own providers do takes none."""
    asks_carrier = job.plan is not None and job.plan.carrier is not CarrierStep.NONE
    tasks = () if job.features is None else (*job.features.removals, *job.features.activations)
    return asks_carrier or any(task.provider.external for task in tasks)


def _accounts_of(jobs: Sequence[Job]) -> set[str]:
    concerned: set[str] = set()
    for job in jobs:
        concerned |= accounts_to_read(job.ask, job.found.document)
    return concerned - {SYSTEM}


def _prepare(job: Job, after: NumberDocument | None, now: int) -> None:
    """What is to be sent, and what it will be read as."""
    job.upon = job.found.base
    if after is None:
        job.after, job.sent = None, {"_id": job.number, "_rev": job.found.base, "_deleted": True}
        return
    before = job.plan.before if job.plan is not None else None
    written = encode_restored_document if job.plan is not None and job.plan.verbatim else encode_document
    sent = written(after, before, now=now)
    read = _read(after, sent)
    if isinstance(read, Skipped):  # never: what is written can be read
        log.error("what was to be written for %s could not be read: %s", job.number, read.reason)
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


def _goes_again(job: Job, written: Written) -> bool:
    """Settle a job that was written, or can't be; True where it has to be decided again."""
    if written.revision:
        _settle_written(job, written.revision)
        if written.warning:
            job.warn(written.warning)
        return False
    if written.conflict:
        return True
    problem = written.problem or errors.internal()
    if problem.cause == errors.UNAVAILABLE and not job.unsure:
        # It may have been written: the next round sees, or writes it against the same revision.
        job.unsure = True
        return True
    job.fail(problem)
    return False


def _settle_written(job: Job, revision: str) -> None:
    if job.after is None:
        job.found = Found(None, revision)
        job.settle(job.plan.before if job.plan is not None else None, deleted=True)
        return
    fields = {**job.after.fields, "_rev": revision}
    job.found = Found(fast_replace(job.after, revision=revision, fields=fields), revision)
    job.settle(job.found.document)


def _stands_as_sent(job: Job) -> bool:
    """Whether what was sent stands now, as the very next revision: it was written, and the answer got lost.

    Or somebody was asked for the same of the same document in the same second. To him who releases a number, doing it
    once more upon what came of it would be doing it twice, so that counts as done for both.
    """
    if job.sent is None or not _follows(job.found.base, job.upon):
        return False
    stands = None if job.found.document is None else _without_revision(job.found.document.fields)
    if stands != (None if job.after is None else _without_revision(job.sent)):
        return False
    _settle_written(job, job.found.base)
    return True


def _follows(revision: str, upon: str) -> bool:
    """Whether it is the next one; what was taken for new may have been deleted before, nobody looked how often."""
    return not upon or _generation(revision) == _generation(upon) + 1


def _without_revision(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name != "_rev"}


def _generation(revision: str) -> int:
    return int(revision.partition("-")[0] or 0)
