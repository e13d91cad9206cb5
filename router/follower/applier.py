"""Applying changes of one database to the cache."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from router.couch.client import Document
from router.couch.errors import NotFoundError
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
from router.runtime.counters import Counters

log = logging.getLogger(__name__)

APPLY_BATCH_SIZE = 200
"""Changes in one transaction: one to two milliseconds of Redis' time, so that lookups hardly wait for it."""
LOADING_TOMBSTONE_TTL = 120.0
"""Seconds that deletions found while reading a whole database are remembered: longer than any read takes."""


class FencedError(Exception):
    """Another follower took over."""


class CheckpointConflict(Exception):
    """The checkpoint in Redis is not the one that we wrote."""


def _leave_to_the_checkpoint(_database: str, _epoch: str, _changes: Mapping[str, bytes]) -> None:
    """Whoever leads next finds them there."""


def _log_skip(database: str, identifier: str, why: str) -> None:
    log.info("%s: %s is left out: %s", database, identifier, why)


class Applier:
    """Turns rows into entries and writes them under one fencing token.

    Args:
        on_skip: told the database, id and reason of each document that no lookup can reach.
        pending: where to note numbers whose account copies are to be looked at; None: nobody looks.

    Attributes:
        on_undecided: called with database, epoch and versions of changes that have to be looked up again; they
            stand in the checkpoint, too.

    Methods raise FencedError, CheckpointConflict, redis.RedisError and, where documents must be read again, CouchError.
    """

    def __init__(
        self,
        writer: CacheStore,
        reader: EntryReader,
        databases: CouchServer,
        token: int,
        policy: Policy,
        on_skip: Callable[[str, str, str], None] = _log_skip,
        pending: PendingCopies | None = None,
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._databases = databases
        self._token = token
        self.policy = policy
        self._on_skip = on_skip
        self._pending = pending
        self.counts = Counters()
        self.on_undecided: Callable[[str, str, Mapping[str, bytes]], None] = _leave_to_the_checkpoint

    def shape_of(self, database: str) -> str:
        """What a database's entries are made with now."""
        return (
            entry_builder.FORMAT if database in REFERENCE_DATABASES else entry_builder.entries_fingerprint(self.policy)
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
        """Apply rows in their order, a transaction at a time, each moving the checkpoint if its rows tell how far.

        Args:
            before: where the cache stands.
            seq: the sequence to end at; empty for that of the last row.
            loading: the database is being read as a whole.

        Returns:
            Where the cache stands afterwards.
        """
        checkpoint = before
        for start in range(0, len(changes), APPLY_BATCH_SIZE):
            part = changes[start : start + APPLY_BATCH_SIZE]
            last = start + APPLY_BATCH_SIZE >= len(changes)
            after = seq if last and seq else part[-1].seq or checkpoint.seq
            self._apply_part(database, checkpoint, part, after, pending if last else pending + 1, loading=loading)
            checkpoint = replace(checkpoint, seq=after)
        if not changes and seq and seq != before.seq:
            self._apply_part(database, checkpoint, (), seq, pending, loading=loading)
            checkpoint = replace(checkpoint, seq=seq)
        return checkpoint

    def apply_documents(
        self, database: str, before: Checkpoint, changes: Sequence[Change], *, seq: str = "", pending: int = 0
    ) -> Checkpoint:
        """The same for accounts, port requests and configuration."""
        values = []
        for change in changes:
            value = entry_builder.document_value(database, change.document or _tombstone(change))
            if value is not None:
                values.append((change.id, value))
        after = seq or (changes[-1].seq if changes else "") or before.seq
        said, older = self._writer.documents.apply(database, self._token, before, after, values, pending=pending)
        _check(said)
        self.counts.add("applied", len(changes))
        self._look_at_older(database, before.epoch, {values[each][0]: values[each][1][:VERSION] for each in older})
        return replace(before, seq=after)

    def mend_documents(self, database: str, epoch: str, garbled: Mapping[bytes, bytes]) -> int:
        """Have what is none of ours among the followed documents be as the database says; returns how many.

        Args:
            garbled: what was found, by the ids of the documents.
        """
        names = {each: each.decode("utf-8", "replace") for each in garbled}
        stored = self._databases.database(database).get_many(list(names.values()))
        mended = 0
        for each, name in names.items():
            document = stored[name]
            value = entry_builder.document_value(database, document) if document is not None else None
            mended += self._writer.documents.repair(database, self._token, epoch, each, garbled[each], value or b"")
        return mended

    def mend_entry(self, database: str, epoch: str, number: str, garbled: bytes) -> bool:
        """The same for the entry of a number."""
        made = self._read_again(database, number)
        return self._writer.entries.replace(database, self._token, epoch, number, garbled[:VERSION], made)

    def forget(self, database: str, epoch: str, name: str) -> None:
        """Take away what the cache holds of a document that is nowhere any more, not even as a deletion."""
        held = self.held(database, [name])[name]
        if held is not None:
            self._replace(database, epoch, name, held, ())

    def is_fenced(self, database: str) -> bool:
        """Whether another follower has written there since."""
        return self._writer.checkpoints.fence(database) > self._token

    def begin(self, database: str, *, instance: str, purges: int, shape: str) -> Checkpoint:
        """Begin the database's life in the cache anew."""
        begun = self._writer.checkpoints.begin_epoch(
            database, self._token, instance_start_time=instance, purge_seq=purges, fingerprint=shape
        )
        if begun is None:
            raise FencedError(database)
        return begun

    def _apply_part(
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
        said, older = self._writer.entries.apply(
            database,
            self._token,
            before,
            seq,
            entries,
            pending=pending,
            tombstone_ttl=LOADING_TOMBSTONE_TTL if loading else None,
        )
        _check(said)
        self.counts.add("applied", len(changes))
        self._look_at_older(database, before.epoch, {entries[each][0]: entries[each][1].version for each in older})

    def _look_at_older(self, database: str, epoch: str, changes: Mapping[str, bytes]) -> None:
        if not changes:
            return
        self.counts.add("older", len(changes))
        undecided = self.look_again(database, epoch, changes, every_copy=False, is_last=False)
        if undecided:
            self.on_undecided(database, epoch, undecided)

    def _entries(self, database: str, changes: Sequence[Change]) -> list[tuple[str, Entry]]:
        now = int(time.time())
        entries = []
        for change in changes:
            made = entry_builder.entry_from_json(change.document or _tombstone(change), database, self.policy, now)
            if isinstance(made, Skipped):
                self.counts.add("skipped")
                if not change.id.startswith("_design/"):
                    self._on_skip(database, change.id, made.reason)
                continue
            entries.append((change.id, made))
        return entries

    def _note_copies(self, changes: Sequence[Change]) -> None:
        """Before the checkpoint moves; who had a number may only be known from the cache by now."""
        numbers = [change.id for change in changes if change.id.startswith("+")]
        if self._pending is None or not numbers:
            return
        held = [None if value is None else unpack(value) for value in self._reader.entries(numbers)]
        self._pending.add(
            (number, each.account_id if each is not None else "") for number, each in zip(numbers, held, strict=True)
        )

    def look_again(
        self, database: str, epoch: str, changes: Mapping[str, bytes], *, every_copy: bool, is_last: bool
    ) -> dict[str, bytes]:
        """Look up changes that looked older than what the cache holds, and put right what is wrong.

        Args:
            changes: their versions, by number or document.
            every_copy: see `CouchServer.leaves`.
            is_last: see `judge`.

        Returns:
            Those that are still undecided.
        """
        names = list(changes)
        held = self.held(database, names)
        try:
            leaves = self._databases.database(database).leaves(names, every_copy=every_copy)
        except NotFoundError:
            return {}  # whoever looks at the database itself removes what it had
        undecided = {}
        for name in names:
            verdict = self._verdict(changes[name], held[name], leaves.get(name, ()), is_last=is_last)
            if verdict is Verdict.UNDECIDED:
                undecided[name] = changes[name]
            elif verdict is Verdict.REPLACE:
                self._replace(database, epoch, name, held[name] or b"", leaves.get(name, ()))
        self._writer.checkpoints.resolve_older(
            database, {name: changes[name] for name in names if name not in undecided}
        )
        return undecided

    def held(self, database: str, names: Sequence[str]) -> dict[str, bytes | None]:
        """Return what the cache holds for numbers or followed documents; a value begins with its version."""
        read = (
            self._reader.entries if is_shard(database) else lambda ids: self._writer.documents.get_many(database, ids)
        )
        return dict(zip(names, read(names), strict=True))

    def _verdict(self, change: bytes, held: bytes | None, leaves: Sequence[Leaf], *, is_last: bool) -> Verdict:
        if held is None or held[:VERSION] <= change:
            return Verdict.KEEP  # it was replaced, or is read when somebody asks for it
        return judge(change, held[:VERSION], leaves, is_last=is_last)

    def _replace(self, database: str, epoch: str, name: str, held: bytes, leaves: Sequence[Leaf]) -> None:
        """Put what the database says where exactly what was seen still stands."""
        document = winner(leaves).document if leaves else {"_id": name}
        if is_shard(database):
            made = self._entry_of(database, document) if leaves else codec.negative_entry(int(time.time()))
            done = self._writer.entries.replace(database, self._token, epoch, name, held[:VERSION], made)
        else:
            value = entry_builder.document_value(database, document) if leaves else None
            done = self._writer.documents.repair(database, self._token, epoch, name.encode(), held, value or b"")
            if done:
                self._writer.documents.publish_reload(database)
        if done:
            self.counts.add("replaced")

    def _read_again(self, database: str, number: str) -> Entry:
        try:
            document = self._databases.database(database).get(number)
        except NotFoundError:
            return codec.negative_entry(int(time.time()))
        return self._entry_of(database, document)

    def _entry_of(self, database: str, document: Document) -> Entry:
        now = int(time.time())
        made = entry_builder.entry_from_json(document, database, self.policy, now)
        return codec.negative_entry(now) if isinstance(made, Skipped) else made


def _tombstone(change: Change) -> dict[str, object]:
    return {"_id": change.id, "_rev": change.revision, "_deleted": change.deleted}


def _check(said: ApplyResult) -> None:
    if said is ApplyResult.FENCED:
        raise FencedError
    if said is ApplyResult.CHECKPOINT_CONFLICT:
        raise CheckpointConflict
