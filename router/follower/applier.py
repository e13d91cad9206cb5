"""The applier: writes the changes of one database to the cache, under one fencing token."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from router.couch.client import Document
from router.couch.errors import CouchError, NotFoundError
from router.couch.leaves import Leaf, winner
from router.couch.responses import Change
from router.couch.server import CouchServer
from router.entries import codec, entry_builder
from router.entries.codec import VERSION, Entry, unpack
from router.follower.older_changes import Verdict, judge
from router.numbers.documents import Skipped
from router.numbers.kazoo_databases import REFERENCE_DATABASES
from router.numbers.routes import Policy
from router.numbers.shards import is_shard
from router.redis_store.cache_store import CacheStore
from router.redis_store.checkpoints import Checkpoint
from router.redis_store.entry_reader import EntryReader
from router.redis_store.pending_copies import PendingCopies
from router.redis_store.replies import ApplyResult
from router.runtime.chunked import chunked
from router.runtime.counters import Counters

log = logging.getLogger(__name__)

APPLY_BATCH_SIZE = 200
"""Changes in one transaction: one to two milliseconds of Redis' time, so that lookups hardly wait for it."""
LOADING_TOMBSTONE_TTL = 120.0
"""Seconds that tombstones written by a full read are kept: longer than any read takes."""
LEAVES_TIMEOUTS = (0.3, 0.6, 1.2, 2.4)
"""Seconds for the leaves of a quorum, for the first look-up and the next ones. Where two copies differ, as they do for
milliseconds after a write, CouchDB waits for the third one, which may be frozen (`fabric_doc_open_revs`, 3.5.0). It is
better to ask again; but a slow CouchDB needs its time."""


class FencedError(Exception):
    """Another follower took over."""


class CheckpointConflict(Exception):
    """The checkpoint in Redis is not the one that this follower wrote."""


def _leave_to_checkpoint(_database: str, _epoch: str, _changes: Mapping[str, bytes]) -> None:
    """Ignore undecided changes: the next leader finds them in the checkpoint."""


def _log_skip(database: str, identifier: str, reason: str) -> None:
    log.info("document left out: database=%s id=%s reason=%s", database, identifier, reason)


class Applier:
    """Turns rows into entries and writes them under one fencing token.

    Methods raise FencedError, CheckpointConflict, redis.RedisError and, where documents have to be read again,
    CouchError.

    Args:
        on_skip: called with database, id and reason of each document that no lookup can reach.
        pending: records numbers whose account copies have to be checked; None: no copies are kept.

    Attributes:
        on_undecided: called with database, epoch and versions of changes that have to be looked up again; the
            checkpoint holds them, too.
    """

    def __init__(
        self,
        cache: CacheStore,
        reader: EntryReader,
        couch: CouchServer,
        token: int,
        policy: Policy,
        on_skip: Callable[[str, str, str], None] = _log_skip,
        pending: PendingCopies | None = None,
    ) -> None:
        self._cache = cache
        self._reader = reader
        self._couch = couch
        client = couch.client
        self._leaves = [CouchServer(client.with_timeout(min(client.timeout, each))) for each in LEAVES_TIMEOUTS]
        self._token = token
        self.policy = policy
        self._on_skip = on_skip
        self._pending = pending
        self.counts = Counters()
        self.on_undecided: Callable[[str, str, Mapping[str, bytes]], None] = _leave_to_checkpoint

    def fingerprint_of(self, database: str) -> str:
        """Return the fingerprint of the format and policy that a database's entries are built with now."""
        return (
            entry_builder.REFERENCE_FORMAT
            if database in REFERENCE_DATABASES
            else entry_builder.entries_fingerprint(self.policy)
        )

    def apply(
        self,
        database: str,
        before: Checkpoint,
        changes: Sequence[Change],
        *,
        seq: str = "",
        pending: int = 0,
        loading: bool = False,
    ) -> Checkpoint:
        """Apply rows in their order, a transaction at a time; each moves the checkpoint where its rows have a sequence.

        Args:
            before: the cache's position.
            seq: the sequence to end at; empty for that of the last row.
            pending: changes that are known to follow.
            loading: the database is being read from the start.

        Returns:
            The cache's new position.
        """
        checkpoint = before
        left = len(changes)
        for batch in chunked(changes, APPLY_BATCH_SIZE):
            left -= len(batch)
            last = not left
            after = seq if last and seq else batch[-1].seq or checkpoint.seq
            self._apply_batch(database, checkpoint, batch, after, pending if last else pending + 1, loading=loading)
            checkpoint = replace(checkpoint, seq=after)
        if not changes and seq and seq != before.seq:
            self._apply_batch(database, checkpoint, (), seq, pending, loading=loading)
            checkpoint = replace(checkpoint, seq=seq)
        return checkpoint

    def apply_documents(
        self, database: str, before: Checkpoint, changes: Sequence[Change], *, seq: str = "", pending: int = 0
    ) -> Checkpoint:
        """Apply rows of accounts, port requests or configuration in one transaction; see `apply`."""
        values = []
        for change in changes:
            value = entry_builder.document_value(database, change.document or _tombstone(change))
            if value is not None:
                values.append((change.id, value))
        after = seq or (changes[-1].seq if changes else "") or before.seq
        result, older = self._cache.documents.apply(database, self._token, before, after, values, pending=pending)
        _check(result)
        self.counts.add("applied", len(changes))
        self._handle_older(database, before.epoch, {values[each][0]: values[each][1][:VERSION] for each in older})
        return replace(before, seq=after)

    def repair_documents(self, database: str, epoch: str, corrupt: Mapping[bytes, bytes]) -> int:
        """Replace corrupt reference documents by those of the database; return the number of repairs.

        Args:
            corrupt: the values found, by document id.
        """
        names = {each: each.decode("utf-8", "replace") for each in corrupt}
        stored = self._couch.database(database).get_many(list(names.values()))
        repaired = 0
        for each, name in names.items():
            document = stored[name]
            value = entry_builder.document_value(database, document) if document is not None else None
            repaired += self._cache.documents.repair(database, self._token, epoch, each, corrupt[each], value or b"")
        return repaired

    def repair_entry(self, database: str, epoch: str, number: str, corrupt: bytes) -> bool:
        """Replace a corrupt entry by the database's; return whether it was still there."""
        entry = self._read_entry(database, number)
        return self._cache.entries.replace(database, self._token, epoch, number, corrupt[:VERSION], entry)

    def remove(self, database: str, epoch: str, name: str) -> None:
        """Remove the cached value of a document of which the database has not even a deletion any more."""
        held = self.held(database, [name])[name]
        if held is not None:
            self._replace(database, epoch, name, held, ())

    def is_fenced(self, database: str) -> bool:
        """Return whether another follower has written to the database's part of the cache since."""
        return self._cache.checkpoints.fence(database) > self._token

    def begin_epoch(self, database: str, *, instance: str, purges: int, fingerprint: str) -> Checkpoint:
        """Begin a new epoch of a database, without a sequence."""
        begun = self._cache.checkpoints.begin_epoch(
            database, self._token, instance_start_time=instance, purge_seq=purges, fingerprint=fingerprint
        )
        if begun is None:
            raise FencedError(database)
        return begun

    def recheck(
        self, database: str, epoch: str, changes: Mapping[str, bytes], *, look: int, every_copy: bool, is_last: bool
    ) -> dict[str, bytes]:
        """Look up changes that looked older than the cache, and replace the cached values that are wrong.

        Args:
            changes: their versions, by number or document id.
            look: look-ups of them before this one: each has more patience.
            every_copy: see `CouchDatabase.leaves`.
            is_last: see `judge`.

        Returns:
            Those that are still undecided.
        """
        names = list(changes)
        held = self.held(database, names)
        try:
            couch = self._leaves[-1 if every_copy else min(look, len(self._leaves) - 1)]
            leaves = couch.database(database).leaves(names, every_copy=every_copy)
        except NotFoundError:
            return {}  # the catch-up removes a missing database
        undecided = {}
        for name in names:
            verdict = self._verdict(changes[name], held[name], leaves.get(name, ()), is_last=is_last)
            if verdict is Verdict.UNDECIDED:
                undecided[name] = changes[name]
            elif verdict is Verdict.REPLACE:
                self._replace(database, epoch, name, held[name] or b"", leaves.get(name, ()))
        resolved = {name: changes[name] for name in names if name not in undecided}
        self._cache.checkpoints.resolve_older(database, resolved)
        return undecided

    def held(self, database: str, names: Sequence[str]) -> dict[str, bytes | None]:
        """Return the cached values of numbers or reference documents; a value begins with its version."""
        if is_shard(database):
            return dict(zip(names, self._reader.entries(names), strict=True))
        return dict(zip(names, self._cache.documents.get_many(database, names), strict=True))

    def _apply_batch(
        self,
        database: str,
        before: Checkpoint,
        changes: Sequence[Change],
        seq: str,
        pending: int,
        *,
        loading: bool,
    ) -> None:
        entries = self._entries(database, changes)
        self._note_copies(changes)
        result, older = self._cache.entries.apply(
            database,
            self._token,
            before,
            seq,
            entries,
            pending=pending,
            tombstone_ttl=LOADING_TOMBSTONE_TTL if loading else None,
        )
        _check(result)
        self.counts.add("applied", len(changes))
        self._handle_older(database, before.epoch, {entries[each][0]: entries[each][1].version for each in older})

    def _handle_older(self, database: str, epoch: str, changes: Mapping[str, bytes]) -> None:
        if not changes:
            return
        self.counts.add("older", len(changes))
        try:
            undecided: Mapping[str, bytes] = self.recheck(
                database, epoch, changes, look=0, every_copy=False, is_last=False
            )
        except CouchError as problem:
            # The rows are applied, and the checkpoint holds these changes: nothing is to be read again.
            log.info("changes can't be looked up yet: database=%s error=%s", database, problem)
            undecided = changes
        if undecided:
            self.on_undecided(database, epoch, undecided)

    def _entries(self, database: str, changes: Sequence[Change]) -> list[tuple[str, Entry]]:
        now = int(time.time())
        entries = []
        for change in changes:
            entry = entry_builder.entry_from_json(change.document or _tombstone(change), database, self.policy, now)
            if isinstance(entry, Skipped):
                self.counts.add("skipped")
                if not change.id.startswith("_design/"):
                    self._on_skip(database, change.id, entry.reason)
                continue
            entries.append((change.id, entry))
        return entries

    def _note_copies(self, changes: Sequence[Change]) -> None:
        """Record changed numbers before the checkpoint moves; by now only the cache may know the former account."""
        numbers = [change.id for change in changes if change.id.startswith("+")]
        if self._pending is None or not numbers:
            return
        held = [None if value is None else unpack(value) for value in self._reader.entries(numbers)]
        self._pending.add(
            (number, each.account_id if each is not None else "") for number, each in zip(numbers, held, strict=True)
        )

    def _verdict(self, change: bytes, held: bytes | None, leaves: Sequence[Leaf], *, is_last: bool) -> Verdict:
        if held is None or held[:VERSION] <= change:
            return Verdict.KEEP  # it was replaced, or the next lookup reads it
        return judge(change, held[:VERSION], leaves, is_last=is_last)

    def _replace(self, database: str, epoch: str, name: str, held: bytes, leaves: Sequence[Leaf]) -> None:
        """Write the database's value, unless the cached value has changed since it was seen."""
        document = winner(leaves).document if leaves else {"_id": name}
        if is_shard(database):
            entry = self._entry_of(database, document) if leaves else codec.negative_entry(int(time.time()))
            replaced = self._cache.entries.replace(database, self._token, epoch, name, held[:VERSION], entry)
        else:
            value = entry_builder.document_value(database, document) if leaves else None
            replaced = self._cache.documents.repair(database, self._token, epoch, name.encode(), held, value or b"")
            if replaced:
                self._cache.documents.publish_reload(database)
        if replaced:
            self.counts.add("replaced")

    def _read_entry(self, database: str, number: str) -> Entry:
        try:
            document = self._couch.database(database).get(number)
        except NotFoundError:
            return codec.negative_entry(int(time.time()))
        return self._entry_of(database, document)

    def _entry_of(self, database: str, document: Document) -> Entry:
        now = int(time.time())
        entry = entry_builder.entry_from_json(document, database, self.policy, now)
        return codec.negative_entry(now) if isinstance(entry, Skipped) else entry


def _tombstone(change: Change) -> dict[str, object]:
    return {"_id": change.id, "_rev": change.revision, "_deleted": change.deleted}


def _check(result: ApplyResult) -> None:
    if result is ApplyResult.FENCED:
        raise FencedError
    if result is ApplyResult.CHECKPOINT_CONFLICT:
        raise CheckpointConflict
