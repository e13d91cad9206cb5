"""The number manager's public interface; the pipeline behind it is in the modules beside this one."""

import logging
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from router.account_copies import AccountCopies, CopyChange
from router.account_copies.layout import affected_accounts
from router.couch.errors import CouchError
from router.couch.server import CouchServer
from router.lifecycle import errors, permissions
from router.lifecycle.operations import SYSTEM, Operation, OperationRequest
from router.lifecycle.policy import ManagerPolicy
from router.manager.account_numbers import BUDGET, AccountNumberLister, Page
from router.manager.cache_publisher import CachePublisher
from router.manager.carriers.registry import CarrierRegistry
from router.manager.configuration import Configuration
from router.manager.copy_comparison import ComparedCopies, compare_copies
from router.manager.decide_step import BatchContext, DecideStep
from router.manager.deferred_copies import DeferredCopies
from router.manager.external_steps import ExternalSteps
from router.manager.features.registry import FeatureRegistry
from router.manager.job import Job, Settled
from router.manager.outcomes import Outcome
from router.manager.pipeline import UpdatePipeline, committed_state
from router.manager.read_step import Reader
from router.manager.write_step import DocumentWriter
from router.numbers import gregorian
from router.numbers.documents import NumberDocument, routable_id
from router.numbers.fast_replace import fast_replace
from router.numbers.fields import printable
from router.numbers.normaliser import Normaliser
from router.numbers.rules import Rules
from router.numbers.shards import is_legal, shard_for
from router.reference_data.active_port_requests import ActivePortRequests
from router.runtime.counters import LabelledCounters
from router.settings import Settings
from router.stores.clients import Stores

log = logging.getLogger(__name__)

_POOL_SIZE = 8
"""Concurrent requests to databases, carriers and providers per manager."""
_PORT_REQUESTS_TTL = 1.0


class NumberManager:
    """Carries out operations on numbers in batches. Thread-safe.

    Args:
        settings: overrides of the rules, account copies, carriers.
        stores: Redis and CouchDB; Redis may be unavailable.

    Attributes:
        counts: numbers by operation, outcome (done, unchanged, dry_run, error) and the error's name.
    """

    def __init__(self, settings: Settings, stores: Stores) -> None:
        databases = CouchServer(stores.databases.client.with_timeout(settings.manager.timeout))
        self._pool = ThreadPoolExecutor(_POOL_SIZE, thread_name_prefix="number-manager")
        self._configuration = Configuration(settings, databases)
        self._reader = Reader(databases, self._pool)
        self._copies = AccountCopies(databases, settings.manager.account_copies)
        self._publisher = CachePublisher(stores.manager_writer, self._reader, self._pool)
        carriers, features = CarrierRegistry(settings, databases), FeatureRegistry(settings)
        self._pipeline = UpdatePipeline(
            self._reader,
            DecideStep(carriers, features, ActivePortRequests(databases, _PORT_REQUESTS_TTL)),
            ExternalSteps(carriers, features),
            DocumentWriter(databases),
            self._publisher,
            self._pool,
        )
        self._lister = AccountNumberLister(databases, self._reader, self._copies)
        self.databases = databases
        self.counts = LabelledCounters()

    def rules(self) -> Rules:
        """Return dial plans, policy and configuration in force.

        Raises:
            CouchError: CouchDB can't be asked.
        """
        return self._configuration.current()

    def carry_out(self, requests: Sequence[OperationRequest], deferred: DeferredCopies | None = None) -> list[Outcome]:
        """Carry out any mix of operations and return their outcomes in order.

        Operations on the same number run in the order given. A refused number never stops the others. An unavailable
        store is reported in the error of each affected number (`errors.unavailable`).

        Args:
            deferred: takes over account copies that may be written later; None: all are written on return.
        """
        return self._carry_out(requests, maintenance=False, deferred=deferred)

    def deferred_copies(self) -> DeferredCopies:
        """Return a collector for bulk work: operations carried out through it defer their account copies."""
        return DeferredCopies(self.carry_out, self.databases, self._copies)

    def apply_due_changes(self, numbers: Sequence[str], *, dry_run: bool = False) -> list[Outcome]:
        """Carry out what is due by time for each of these numbers (`router.lifecycle.maintenance`)."""
        requests = [OperationRequest(Operation.CHANGE_STATE, number, SYSTEM, dry_run=dry_run) for number in numbers]
        return self._carry_out(requests, maintenance=True)

    def list_by_account(
        self,
        account: str,
        auth_by: str,
        *,
        after: str = "",
        limit: int = 100,
        thorough: bool = False,
        budget: float = BUDGET,
    ) -> Page:
        """Return a page of the numbers assigned to an account, in order.

        Args:
            account: the account's id.
            auth_by: the caller: the system, an administrator, the account itself or an ancestor.
            after: start after this number; empty: from the first.
            limit: maximum count.
            thorough: read every number database instead of starting from the account's own list.
            budget: seconds after which a thorough page ends early.

        Raises:
            NumberError: the caller may not see this account's numbers.
            CouchError: CouchDB can't be asked.
        """
        return self._lister.page(account, auth_by, after=after, limit=limit, budget=budget if thorough else None)

    def compare_copies(self, documents: Sequence[NumberDocument]) -> dict[str, list[ComparedCopies]]:
        """Return, by number, what each account that a document names holds in its own database."""
        return compare_copies(self._copies, documents, self._pool)

    def is_in_tree(self, account: str, top: str) -> bool:
        """Return whether an account is `top` or a descendant of it, by its `pvt_tree` in the accounts database.

        Raises:
            CouchError: CouchDB can't be asked.
        """
        if account == top:
            return True
        return permissions.is_ancestor_or_self(top, account, self._reader.accounts({account} - {SYSTEM}))

    def close(self) -> None:
        """Shut the threads down."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _carry_out(
        self, requests: Sequence[OperationRequest], *, maintenance: bool, deferred: DeferredCopies | None = None
    ) -> list[Outcome]:
        try:
            rules = self._configuration.current()
        except CouchError as problem:
            error = errors.unavailable(str(problem))
            outcomes = [Outcome(printable(request.number), error=error) for request in requests]
        else:
            jobs = [_job_for(request, rules.normaliser, maintenance=maintenance) for request in requests]
            outcomes = self._run_jobs(jobs, rules, deferred)
        for request, outcome in zip(requests, outcomes, strict=True):
            operation = "maintenance" if maintenance else request.operation.value
            self.counts.add((operation, *_outcome_labels(request, outcome)))
        return outcomes

    def _run_jobs(self, jobs: Sequence[Job | Outcome], rules: Rules, deferred: DeferredCopies | None) -> list[Outcome]:
        """Return outcomes in order; an outcome among the jobs is passed through."""
        outcomes = {place: job for place, job in enumerate(jobs) if isinstance(job, Outcome)}
        runnable = [(place, job) for place, job in enumerate(jobs) if isinstance(job, Job)]
        for turn, wave in enumerate(_waves(runnable)):
            finished = self._run_wave([job for _, job in wave], rules, deferred, guess=turn == 0)
            outcomes |= zip((place for place, _ in wave), finished, strict=True)
        return [outcomes[place] for place in range(len(jobs))]

    def _run_wave(
        self, jobs: Sequence[Job], rules: Rules, deferred: DeferredCopies | None, *, guess: bool
    ) -> list[Outcome]:
        """Run jobs of different numbers through the pipeline, then write copies and publish."""
        if deferred is not None:
            deferred.note_feed_positions({job.database for job in jobs if _may_write(job.request)})
        now = gregorian.from_unix(int(time.time()))
        context = BatchContext(rules, ManagerPolicy.of(rules.config), now)
        settled, epochs = self._pipeline.run(jobs, context, guess=guess)
        outcomes = {each.job.number: each.outcome for each in settled}
        # Unchanged numbers are published too: the process that wrote them may have died before it published.
        published = [each for each in settled if _needs_publishing(each)]
        if published:
            outcomes |= self._update_copies(published, deferred)
            problems = self._publisher.publish(epochs, committed_state(published), rules.policy)
            outcomes |= {number: outcomes[number].with_warnings(*found) for number, found in problems.items()}
        return [outcomes[job.number] for job in jobs]

    def _update_copies(self, settled: Sequence[Settled], deferred: DeferredCopies | None) -> dict[str, Outcome]:
        """Write or defer the account copies of these numbers; return number → outcome."""
        outcomes = {each.job.number: each.outcome for each in settled}
        changes = []
        for each in settled:
            number = each.job.number
            change = CopyChange(number, each.before, each.stored.document)
            if deferred is not None and deferred.defer(change):
                former = affected_accounts(change.before) - affected_accounts(change.after)
                outcomes[number] = each.outcome.with_deferred_copies(former)
            else:
                changes.append(change)
        try:
            failed = self._copies.update(changes)
        except Exception as problem:
            log.exception("account copies failed: numbers=%d", len(changes))
            failed = dict.fromkeys(outcomes, type(problem).__name__)
        for number in failed.keys() & outcomes.keys():
            warning = f"account copy: {failed[number]} (did-router audit --repair repairs it)"
            outcomes[number] = outcomes[number].with_warnings(warning)
        return outcomes


def _outcome_labels(request: OperationRequest, outcome: Outcome) -> tuple[str, str]:
    """Return an outcome and its error's name, as `counts` has them."""
    if outcome.error is not None:
        return "error", outcome.error.error
    if outcome.unchanged:
        return "unchanged", ""
    return ("dry_run" if request.dry_run else "done"), ""


def _job_for(request: OperationRequest, normaliser: Normaliser, *, maintenance: bool) -> Job | Outcome:
    """Return a job for a number that can have a document, else the outcome that says why it can't."""
    document = request.imported.document if request.imported is not None else None
    if document is not None and request.operation is Operation.CREATE and request.auth_by == SYSTEM:
        return _job_for_document(request, str(document.get("_id")))
    target = normaliser.e164(request.number)
    database = shard_for(target.number)
    if not (target.reconcilable and target.number.startswith("+") and target.number[1:].isdecimal() and database):
        shown = printable(request.number)
        return Outcome(shown, error=errors.not_reconcilable(shown))
    normalised = request if request.number == target.number else fast_replace(request, number=target.number)
    return Job(normalised, database, maintenance=maintenance)


def _job_for_document(request: OperationRequest, identifier: str) -> Job | Outcome:
    """Return a job for a document that is restored under its own id, even if no dial plan reads that id."""
    database = shard_for(identifier) or ""
    reason = routable_id(identifier, database)
    if reason is None and not is_legal(database):
        reason = f"CouchDB accepts no database called {printable(database)}"
    if reason is not None:
        return Outcome(printable(identifier), error=errors.malformed(printable(identifier), reason))
    return Job(fast_replace(request, number=identifier), database)


def _waves(jobs: Sequence[tuple[int, Job]]) -> list[list[tuple[int, Job]]]:
    """Group jobs and their places: the first job of each number, then the second of each, and so on."""
    seen: defaultdict[str, int] = defaultdict(int)
    waves: list[list[tuple[int, Job]]] = []
    for place, job in jobs:
        turn = seen[job.number]
        seen[job.number] += 1
        if turn == len(waves):
            waves.append([])
        waves[turn].append((place, job))
    return waves


def _may_write(request: OperationRequest) -> bool:
    return request.operation is not Operation.GET and not request.dry_run


def _needs_publishing(settled: Settled) -> bool:
    outcome = settled.outcome
    if outcome.error is not None or not _may_write(settled.job.request):
        return False
    return not (settled.job.maintenance and outcome.unchanged)
