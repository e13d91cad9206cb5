"""Maintenance: changes that are due by time.

Aged numbers become available; discovered numbers that were never taken, and deleted ones, are removed. Every number
database is read page by page. A due change goes through the same pipeline as any other, and is decided again on the
document as it is then.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from router.couch.client import Document
from router.couch.errors import CouchError
from router.lifecycle.maintenance import plan_maintenance
from router.lifecycle.policy import ManagerPolicy
from router.manager.manager import NumberManager
from router.manager.outcomes import Outcome
from router.numbers import documents, gregorian
from router.numbers.fields import Skipped

_PAGE = 1000


@dataclass(slots=True)
class MaintenanceReport:
    """Totals of one maintenance run.

    Attributes:
        databases, numbers: read.
        available: numbers that aged long enough.
        removed: deleted numbers, and discovered numbers that were never taken.
        failed: number → why a due change could not be made.
        failed_databases: database → why it could not be read.
        complete: the run was not stopped early.
        seconds: duration.
    """

    databases: int = 0
    numbers: int = 0
    available: int = 0
    removed: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    failed_databases: dict[str, str] = field(default_factory=dict)
    complete: bool = False
    seconds: float = 0.0


class Maintenance:
    """One maintenance run.

    Args:
        dry_run: report what is due and change nothing.
        must_end: asked before each page; ends the run early.
        on_outcome: called with the outcome of each due number.
        on_page: called with the number of documents read.
    """

    def __init__(
        self,
        manager: NumberManager,
        *,
        dry_run: bool = False,
        must_end: Callable[[], bool] = lambda: False,
        on_outcome: Callable[[Outcome], None] = lambda _: None,
        on_page: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._manager = manager
        self._dry_run = dry_run
        self._must_end = must_end
        self._ended = False
        self._on_outcome = on_outcome
        self._on_page = on_page
        self._report = MaintenanceReport()

    def run(self) -> MaintenanceReport:
        """Read every number database and carry out what is due.

        Raises:
            CouchError: CouchDB can't be asked at all.
        """
        began = time.monotonic()
        policy = ManagerPolicy.of(self._manager.rules().config)
        for name in self._manager.databases.shards():
            if self._has_ended():
                break
            try:
                self._walk(name, policy)
            except CouchError as problem:
                self._report.failed_databases[name] = str(problem)
            self._report.databases += 1
        self._report.complete = not self._has_ended()
        self._report.seconds = round(time.monotonic() - began, 3)
        return self._report

    def _has_ended(self) -> bool:
        self._ended = self._ended or self._must_end()
        return self._ended

    def _walk(self, name: str, policy: ManagerPolicy) -> None:
        for page in self._manager.databases.database(name).all_documents(_PAGE):
            if self._has_ended():
                return
            now = gregorian.from_unix(int(time.time()))
            maintenance = [str(document["_id"]) for document in page if _is_due(document, name, policy, now)]
            for outcome in self._manager.apply_due_changes(maintenance, dry_run=self._dry_run) if maintenance else ():
                self._note(outcome)
            self._report.numbers += len(page)
            self._on_page(len(page))

    def _note(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            self._report.failed[outcome.number] = str(outcome.error)
        elif outcome.deleted:
            self._report.removed += 1
        elif not outcome.unchanged:
            self._report.available += 1
        self._on_outcome(outcome)


def _is_due(document: Document, name: str, policy: ManagerPolicy, now: int) -> bool:
    read = documents.read(document, expected_database=name)
    return not isinstance(read, Skipped) and plan_maintenance(read, policy, now) is not None
