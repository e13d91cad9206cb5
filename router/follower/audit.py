"""Audit: compares everything in the cache with everything in the databases, and mends on request.

A system that is being used changes under the comparison, so nothing is reported before it was seen to differ
again after a moment.
"""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from router.cache import entry, holding
from router.cache.entry import NEGATIVE, TOMBSTONE, Entry, revision_of, unpack
from router.cache.followed import FOLLOWED
from router.couch.errors import NotFound
from router.follower.applier import Applier
from router.follower.catchup import CatchUp
from router.follower.configuration import read_rules
from router.follower.leadership import Leadership
from router.follower.targets import Target
from router.follower.warm import Progress
from router.numbers.documents import Skipped
from router.numbers.shards import database_of, is_shard
from router.settings import Settings
from router.stores import Stores

_PAGE = 1000
_LOOK = 0.5
_SLACK = 30.0
_MOMENTS = (0.2, 0.5, 1.5)
"""Seconds to wait before looking again at what differed."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One number or document about which the cache and its database disagree.

    Attributes:
        kind: "missing" (not in the cache), "older", "newer", "different" (same revision, other answer),
            "extra" (in the cache alone).
        cached, stored: revisions; empty for none.
    """

    database: str
    id: str
    kind: str
    cached: str
    stored: str
    repaired: bool = False


@dataclass(slots=True)
class AuditReport:
    """What an audit found.

    Attributes:
        left_out: (database, id, why) of documents that no lookup can reach: for an operator to mend.
    """

    databases: int = 0
    documents: int = 0
    entries: int = 0
    differences: list[Difference] = field(default_factory=list)
    left_out: list[tuple[str, str, str]] = field(default_factory=list)
    seconds: float = 0.0


class Audit:
    """One comparison.

    Every step raises CouchError or redis.RedisError when a store can't be asked.
    """

    def __init__(
        self,
        settings: Settings,
        stores: Stores,
        progress: Progress,
        *,
        repair: bool = False,
        databases: Sequence[str] | None = None,
    ) -> None:
        self._settings = settings
        self._stores = stores
        self._progress = progress
        self._repair = repair
        self._asked = databases
        self._policy = read_rules(settings, stores.writer).policy
        self.report = AuditReport()

    def run(self) -> AuditReport:
        """Compare everything."""
        began = time.monotonic()
        names = [name for name in self._stores.databases.names("numbers/") if is_shard(name)]
        if self._asked is not None:
            names = [name for name in names if name in set(self._asked)]
        self._progress.total(len(names), 0)
        seen: set[str] = set()
        for name in names:
            seen |= self._compare_shard(name)
            self._progress.database(name)
        self._find_extra(seen)
        if self._asked is None:
            for name in FOLLOWED:
                self._compare_followed(name)
        self.report.databases = len(names)
        self.report.seconds = time.monotonic() - began
        return self.report

    def _compare_shard(self, database: str) -> set[str]:
        seen: set[str] = set()
        for page in self._pages(database):
            expected = self._expected(database, page)
            seen |= expected.keys()
            suspects = self._differing(expected)
            self.report.documents += len(page)
            self._progress.documents(len(page))
            self._look_again(database, suspects)
        return seen

    def _pages(self, database: str) -> Iterator[list[Mapping[str, Any]]]:
        try:
            for page in self._stores.databases.all_documents(database, _PAGE):
                yield list(page)
        except NotFound:
            return

    def _expected(self, database: str, documents: Sequence[Mapping[str, Any]]) -> dict[str, Entry]:
        now = int(time.time())
        expected = {}
        for document in documents:
            made = holding.number_entry(document, database, self._policy, now)
            identifier = str(document.get("_id", ""))
            if isinstance(made, Skipped):
                if not identifier.startswith("_design/"):
                    self.report.left_out.append((database, identifier, made.reason))
                continue
            expected[identifier] = made
        return expected

    def _differing(self, expected: Mapping[str, Entry]) -> list[str]:
        if not expected:
            return []
        held = self._held(list(expected))
        return [number for number, entry_ in expected.items() if not _agree(entry_, held[number])]

    def _held(self, numbers: Sequence[str]) -> dict[str, Entry | None]:
        values = self._stores.patient_reader.entries(numbers)
        return {number: None if value is None else unpack(value) for number, value in zip(numbers, values, strict=True)}

    def _look_again(self, database: str, suspects: Sequence[str]) -> None:
        """What still differs after a moment, differs."""
        numbers = list(suspects)
        expected: dict[str, Entry] = {}
        for moment in _MOMENTS:
            if not numbers:
                return
            time.sleep(moment)
            found = self._stores.databases.documents(database, numbers)
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
            expected[number] = entry.of_nothing(now) if isinstance(made, Skipped) else made
        return expected

    def _made(self, database: str, document: Mapping[str, Any], now: int) -> Entry | Skipped:
        return holding.number_entry(document, database, self._policy, now)

    def _find_extra(self, seen: set[str]) -> None:
        """Entries of numbers that no database has."""
        for batch in self._stores.writer.walk():
            wanted = [number for _, number in batch if self._is_asked(number)]
            self.report.entries += len(wanted)
            strangers = [number for number in wanted if number not in seen]
            held = self._held(strangers) if strangers else {}
            suspects: defaultdict[str, list[str]] = defaultdict(list)
            for number, kept in held.items():
                if kept is not None and kept.kind not in {TOMBSTONE, NEGATIVE}:
                    suspects[str(database_of(number))].append(number)
            for database, numbers in suspects.items():
                self._look_again(database, numbers)

    def _is_asked(self, number: str) -> bool:
        return self._asked is None or database_of(number) in set(self._asked)

    def _compare_followed(self, database: str) -> None:
        """Accounts, port requests and configuration against the hash that workers load."""
        differing: dict[str, tuple[bytes | None, bytes | None]] = {}
        for moment in (0.0, *_MOMENTS):
            time.sleep(moment)
            differing = self._followed_differing(database)
            if not differing:
                return
        repaired = self._repair and self._mend_followed(database)
        for name, (cached, stored) in differing.items():
            self._report_document(database, name, cached, stored, repaired=repaired)

    def _followed_differing(self, database: str) -> dict[str, tuple[bytes | None, bytes | None]]:
        """What is kept and what should be, of each document where these are not the same."""
        expected = self._followed_expected(database)
        held = self._stores.redis.hgetall(self._stores.keys.documents(database))
        kept = {name.decode("utf-8", "replace"): value for name, value in held.items()}
        wrong = {name: (kept.get(name), value) for name, value in expected.items() if kept.get(name) != value}
        extra = {name: (value, None) for name, value in kept.items() if name not in expected and not _is_gone(value)}
        return {**wrong, **extra}

    def _mend_followed(self, database: str) -> bool:
        """Have a followed database read from the start: by us, or by whoever leads."""
        self._stores.writer.distrust(database)
        with Leadership(self._stores.lease()) as leadership:
            if leadership.token:
                stores = self._stores
                applier = Applier(
                    stores.writer, stores.patient_reader, stores.databases, leadership.token, self._policy
                )
                catch_up = CatchUp(
                    self._stores.databases, self._stores.writer, applier, page=self._settings.follower_page
                )
                catch_up.run(Target(database), leadership.lost)
        end = time.monotonic() + self._settings.follower_sweep + _SLACK
        while self._followed_differing(database):
            if time.monotonic() > end:
                return False
            time.sleep(_LOOK)
        return True

    def _followed_expected(self, database: str) -> dict[str, bytes]:
        expected = {}
        for page in self._pages(database):
            for document in page:
                value = holding.document_value(database, document)
                if value is not None:
                    expected[str(document.get("_id"))] = value
        return expected

    def _report_document(
        self, database: str, name: str, cached: bytes | None, stored: bytes | None, *, repaired: bool
    ) -> None:
        kind = "missing" if cached is None else "extra" if stored is None else "different"
        self.report.differences.append(
            Difference(
                database,
                name,
                kind,
                revision_of(cached[:20]) if cached else "",
                revision_of(stored[:20]) if stored else "",
                repaired=repaired,
            )
        )

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
        fence, epoch = writer.fence(database), writer.epoch(database)
        expected = stored.version if cached is None else cached.version
        return writer.replace(database, fence, epoch, number, expected, stored)


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


def _is_gone(value: bytes) -> bool:
    """A followed document that was deleted, or a port request that is not active any more."""
    return value[20:] in {b"", b"D"}
