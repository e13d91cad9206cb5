"""Audit: compares cache, databases and the accounts' own copies with each other, and mends on request.

A system that is being used changes under the comparison, so nothing is reported before it was seen to differ
again after a moment.
"""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from router.account_copies import AccountCopies
from router.account_copies.comparison import CopiesComparison
from router.audit.reference_data import FollowedAudit
from router.audit.report import AuditReport, CopyFinding, Difference, TwoStates
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

_PAGE = 1000
_MOMENTS = (0.2, 0.5, 1.5)
"""Seconds to wait before looking again at what differed."""


class Audit:
    """One comparison.

    Every step raises CouchError or redis.RedisError when a store can't be asked.

    Args:
        copies: compare the accounts' copies, too.
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
        self._asked = databases
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
        if self._asked is not None:
            names = [name for name in names if name in set(self._asked)]
        self._progress.total(len(names), 0)
        seen: set[str] = set()
        for name in names:
            seen |= self._compare_shard(name)
            self._progress.database(name)
        self._find_extra(seen)
        if self._asked is None:
            followed = FollowedAudit(self._settings, self._stores, self._policy, repair=self._repair)
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
            suspects = self._differing(expected)
            self.report.documents += len(page)
            self._progress.documents(len(page))
            self._look_again(database, suspects)
        return seen

    def _pages(self, database: str) -> Iterator[list[Mapping[str, Any]]]:
        try:
            for page in self._stores.databases.database(database).all_documents(_PAGE):
                yield list(page)
        except NotFoundError:
            return

    def _expected(self, database: str, documents: Sequence[Mapping[str, Any]]) -> dict[str, Entry]:
        now = int(time.time())
        expected = {}
        for document in documents:
            made = entry_builder.entry_from_json(document, database, self._policy, now)
            identifier = str(document.get("_id", ""))
            reason = unreachable(document, database, self._normaliser)
            if isinstance(made, Skipped):
                reason = made.reason
            if reason is not None and not identifier.startswith("_design/"):
                self.report.left_out.append((database, identifier, reason))
            if isinstance(made, Skipped):
                continue
            expected[identifier] = made
            self._note_states(database, document)
        return expected

    def _note_states(self, database: str, document: Mapping[str, Any]) -> None:
        newer, older = document.get("pvt_state"), document.get("pvt_number_state")
        if newer != older and not is_unset(newer) and not is_unset(older):
            self.report.two_states.append(TwoStates(database, str(document["_id"]), _word(newer), _word(older)))

    def _differing(self, expected: Mapping[str, Entry]) -> list[str]:
        if not expected:
            return []
        held = self._held(list(expected))
        return [number for number, entry_ in expected.items() if not _agree(entry_, held[number])]

    def _held(self, numbers: Sequence[str]) -> dict[str, Entry | None]:
        values = self._stores.reader.entries(numbers)
        return {number: None if value is None else unpack(value) for number, value in zip(numbers, values, strict=True)}

    def _look_again(self, database: str, suspects: Sequence[str]) -> None:
        """What still differs after a moment, differs."""
        numbers = list(suspects)
        expected: dict[str, Entry] = {}
        for moment in _MOMENTS:
            if not numbers:
                return
            time.sleep(moment)
            found = self._stores.databases.database(database).get_many(numbers)
            expected = self._now_expected(database, found)
            numbers = self._differing(expected)
        held = self._held(numbers) if numbers else {}
        for number in numbers:
            self._report(database, number, held[number], expected[number])

    def _now_expected(self, database: str, found: Mapping[str, Mapping[str, Any] | None]) -> dict[str, Entry]:
        now = int(time.time())
        expected = {}
        for number, document in found.items():
            made = Skipped("missing") if document is None else self._made(database, document, now)
            expected[number] = codec.negative_entry(now) if isinstance(made, Skipped) else made
        return expected

    def _made(self, database: str, document: Mapping[str, Any], now: int) -> Entry | Skipped:
        return entry_builder.entry_from_json(document, database, self._policy, now)

    def _find_extra(self, seen: set[str]) -> None:
        """Entries of numbers that no database has."""
        for batch in self._stores.writer.entries.scan():
            wanted = [number for _, number in batch if self._is_asked(number)]
            self.report.entries += len(wanted)
            strangers = [number for number in wanted if number not in seen]
            held = self._held(strangers) if strangers else {}
            suspects: defaultdict[str, list[str]] = defaultdict(list)
            for number, kept in held.items():
                if kept is not None and kept.kind not in {TOMBSTONE, NEGATIVE}:
                    suspects[str(shard_for(number))].append(number)
            for database, numbers in suspects.items():
                self._look_again(database, numbers)

    def _is_asked(self, number: str) -> bool:
        return self._asked is None or shard_for(number) in set(self._asked)

    def _compare_copies(self, shards: int) -> None:
        """The accounts' copies against the number documents that were read."""
        self._progress.total(shards + len(self._comparison.account_ids()), 0)
        found = self._comparison.find(self._progress.database)
        standing = self._comparison.repair(found) if self._repair else None
        for each in found:
            why = "" if standing is None else standing[each]
            repaired = standing is not None and not why
            self.report.copies.append(
                CopyFinding(each.account, each.number, each.copy_format, each.kind, repaired=repaired, why=why)
            )
        for account, why in self._comparison.unread.items():
            self.report.copies.append(CopyFinding(account, "", "", "unread", why=why))
        self.report.accounts = self._comparison.accounts

    def _report(self, database: str, number: str, cached: Entry | None, stored: Entry) -> None:
        repaired = self._repair and self._mend(database, number, cached, stored)
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

    def _mend(self, database: str, number: str, cached: Entry | None, stored: Entry) -> bool:
        """Put what the database says where exactly what differed still stands."""
        writer = self._stores.writer
        fence, epoch = writer.checkpoints.fence(database), writer.checkpoints.epoch(database)
        expected = stored.version if cached is None else cached.version
        return writer.entries.replace(database, fence, epoch, number, expected, stored)


def _agree(stored: Entry, cached: Entry | None) -> bool:
    """Whether a lookup would answer the same from both."""
    nothing = (TOMBSTONE, NEGATIVE)
    if stored.kind in nothing:
        return cached is None or cached.kind in nothing
    return cached is not None and stored.same_answer(cached)


def _kind(cached: Entry | None, stored: Entry) -> str:
    if cached is None:
        return "missing"
    if stored.kind == NEGATIVE:
        return "extra"
    if cached.version == stored.version:
        return "different"
    return "older" if cached.version < stored.version else "newer"


def _word(state: object) -> str:
    return state if isinstance(state, str) else shown(state)
