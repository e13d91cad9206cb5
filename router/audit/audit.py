"""The audit: compares the cache, the number databases and the account copies, and repairs differences on request.

A system in use changes during the comparison, so a difference is reported only after it was found several times.
"""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from router.account_copies import AccountCopies
from router.account_copies.comparison import CopiesComparison
from router.audit.reference_data import ReferenceDataAudit
from router.audit.report import AuditReport, ConflictingStates, CopyFinding, Difference
from router.couch.errors import NotFoundError
from router.entries import codec, entry_builder
from router.entries.codec import NEGATIVE, TOMBSTONE, Entry, unpack
from router.follower.configuration import read_rules
from router.numbers.documents import Skipped
from router.numbers.fields import is_unset, shown
from router.numbers.kazoo_databases import REFERENCE_DATABASES
from router.numbers.reachability import unreachable
from router.numbers.shards import shard_for
from router.runtime.progress import Progress
from router.settings import Settings
from router.stores.clients import Stores

_PAGE_SIZE = 1000
"""Documents read in one request."""
_RECHECK_DELAYS = (0.2, 0.5, 1.5)
"""Seconds to wait before each further check of a difference."""
_ABSENT = (TOMBSTONE, NEGATIVE)
"""Kinds of entries that say that a number does not exist."""


class Audit:
    """One comparison.

    Every step raises CouchError or redis.RedisError when a store can't be asked.

    Args:
        repair: correct the differences.
        databases: number databases to compare; None for everything, including the reference data.
        copies: compare the account copies, too.
    """

    def __init__(
        self,
        settings: Settings,
        stores: Stores,
        progress: Progress,
        *,
        repair: bool = False,
        databases: Sequence[str] | None = None,
        copies: bool = False,
    ) -> None:
        self._settings = settings
        self._stores = stores
        self._progress = progress
        self._repair = repair
        self._requested = databases
        rules = read_rules(settings, stores.writer)
        self._policy, self._normaliser = rules.policy, rules.normaliser
        self._copies = copies
        self._comparison = CopiesComparison(
            stores.databases, AccountCopies(stores.databases, settings.manager.account_copies), databases
        )
        self.report = AuditReport()

    def run(self) -> AuditReport:
        """Compare everything."""
        began = time.monotonic()
        names = self._stores.databases.shards()
        if self._requested is not None:
            names = [name for name in names if name in set(self._requested)]
        self._progress.total(len(names), 0)
        seen: set[str] = set()
        for name in names:
            seen |= self._compare_shard(name)
            self._progress.database(name)
        self._compare_entries(seen)
        if self._requested is None:
            followed = ReferenceDataAudit(self._settings, self._stores, self._policy, repair=self._repair)
            for name in REFERENCE_DATABASES:
                self.report.differences.extend(followed.compare(name))
        if self._copies:
            self._compare_copies(len(names))
        self.report.databases = len(names)
        self.report.seconds = time.monotonic() - began
        return self.report

    def _compare_shard(self, database: str) -> set[str]:
        seen: set[str] = set()
        for page in self._pages(database):
            expected = self._expected(database, page)
            seen |= expected.keys()
            if self._copies:
                self._comparison.note(page)
            differing = self._differing(expected)
            self.report.documents += len(page)
            self._progress.documents(len(page))
            self._recheck(database, differing)
        return seen

    def _pages(self, database: str) -> Iterator[list[Mapping[str, Any]]]:
        try:
            for page in self._stores.databases.database(database).all_documents(_PAGE_SIZE):
                yield list(page)
        except NotFoundError:
            return

    def _expected(self, database: str, documents: Sequence[Mapping[str, Any]]) -> dict[str, Entry]:
        now = int(time.time())
        expected = {}
        for document in documents:
            entry = entry_builder.entry_from_json(document, database, self._policy, now)
            identifier = str(document.get("_id", ""))
            reason = unreachable(document, database, self._normaliser)
            if isinstance(entry, Skipped):
                reason = entry.reason
            if reason is not None and not identifier.startswith("_design/"):
                self.report.skipped.append((database, identifier, reason))
            if isinstance(entry, Skipped):
                continue
            expected[identifier] = entry
            self._note_states(database, document)
        return expected

    def _note_states(self, database: str, document: Mapping[str, Any]) -> None:
        newer, older = document.get("pvt_state"), document.get("pvt_number_state")
        if newer != older and not is_unset(newer) and not is_unset(older):
            states = ConflictingStates(database, str(document["_id"]), _state_text(newer), _state_text(older))
            self.report.conflicting_states.append(states)

    def _differing(self, expected: Mapping[str, Entry]) -> list[str]:
        if not expected:
            return []
        held = self._held(list(expected))
        return [number for number, entry in expected.items() if not _agree(entry, held[number])]

    def _held(self, numbers: Sequence[str]) -> dict[str, Entry | None]:
        values = self._stores.reader.entries(numbers)
        return {number: None if value is None else unpack(value) for number, value in zip(numbers, values, strict=True)}

    def _recheck(self, database: str, differing: Sequence[str]) -> None:
        """Check differences again a few times, and report those that are left."""
        numbers = list(differing)
        expected: dict[str, Entry] = {}
        for delay in _RECHECK_DELAYS:
            if not numbers:
                return
            time.sleep(delay)
            found = self._stores.databases.database(database).get_many(numbers)
            expected = self._currently_expected(database, found)
            numbers = self._differing(expected)
        held = self._held(numbers) if numbers else {}
        for number in numbers:
            self._report(database, number, held[number], expected[number])

    def _currently_expected(self, database: str, found: Mapping[str, Mapping[str, Any] | None]) -> dict[str, Entry]:
        now = int(time.time())
        return {number: self._entry_of(database, document, now) for number, document in found.items()}

    def _entry_of(self, database: str, document: Mapping[str, Any] | None, now: int) -> Entry:
        if document is None:
            return codec.negative_entry(now)
        entry = entry_builder.entry_from_json(document, database, self._policy, now)
        return codec.negative_entry(now) if isinstance(entry, Skipped) else entry

    def _compare_entries(self, seen: set[str]) -> None:
        """Find entries of numbers that no database has."""
        for batch in self._stores.writer.entries.scan():
            wanted = [number for _, number in batch if self._is_requested(number)]
            self.report.entries += len(wanted)
            unseen = [number for number in wanted if number not in seen]
            held = self._held(unseen) if unseen else {}
            extra: defaultdict[str, list[str]] = defaultdict(list)
            for number, entry in held.items():
                if entry is not None and entry.kind not in _ABSENT:
                    extra[str(shard_for(number))].append(number)
            for database, numbers in extra.items():
                self._recheck(database, numbers)

    def _is_requested(self, number: str) -> bool:
        return self._requested is None or shard_for(number) in set(self._requested)

    def _compare_copies(self, shards: int) -> None:
        """Compare the account copies with the number documents that were read."""
        self._progress.total(shards + len(self._comparison.account_ids()), 0)
        found = self._comparison.find(self._progress.database)
        unrepaired = self._comparison.repair(found) if self._repair else None
        for each in found:
            why = "" if unrepaired is None else unrepaired[each]
            repaired = unrepaired is not None and not why
            self.report.copies.append(
                CopyFinding(each.account, each.number, each.copy_format, each.kind, repaired=repaired, why=why)
            )
        for account, why in self._comparison.unread.items():
            self.report.copies.append(CopyFinding(account, "", "", "unread", why=why))
        self.report.accounts = self._comparison.accounts

    def _report(self, database: str, number: str, cached: Entry | None, stored: Entry) -> None:
        repaired = self._repair and self._repair_entry(database, number, cached, stored)
        self.report.differences.append(
            Difference(
                database,
                number,
                _kind(cached, stored),
                "" if cached is None else cached.revision,
                stored.revision,
                repaired=repaired,
            )
        )

    def _repair_entry(self, database: str, number: str, cached: Entry | None, stored: Entry) -> bool:
        """Write the database's entry, unless the cached one has changed since it was compared."""
        writer = self._stores.writer
        fence, epoch = writer.checkpoints.fence(database), writer.checkpoints.epoch(database)
        expected = stored.version if cached is None else cached.version
        return writer.entries.replace(database, fence, epoch, number, expected, stored)


def _agree(stored: Entry, cached: Entry | None) -> bool:
    """Return whether a lookup would give the same response from both."""
    if stored.kind in _ABSENT:
        return cached is None or cached.kind in _ABSENT
    return cached is not None and stored.same_answer(cached)


def _kind(cached: Entry | None, stored: Entry) -> str:
    if cached is None:
        return "missing"
    if stored.kind == NEGATIVE:
        return "extra"
    if cached.version == stored.version:
        return "different"
    return "older" if cached.version < stored.version else "newer"


def _state_text(state: object) -> str:
    return state if isinstance(state, str) else shown(state)
