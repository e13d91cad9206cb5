"""The followed documents of databases that are no number databases: accounts, port requests, configuration."""

from collections.abc import Sequence

from router.redis_store import scripts
from router.redis_store.checkpoints import Checkpoint
from router.redis_store.commands import RedisClient
from router.redis_store.keys import EPOCH, Keys
from router.redis_store.replies import ApplyResult, apply_outcome, now, text, unless_wrong_type
from router.redis_store.wrong_type import HASH, retry_replacing_wrong_type


class ReferenceDocumentStore:
    """Reads and writes followed documents, in one Redis hash a database: id → version and value.

    Every method raises redis.RedisError when Redis can't be reached or refuses to write.
    """

    def __init__(self, redis: RedisClient, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys

    def apply(
        self,
        database: str,
        token: int,
        before: Checkpoint,
        seq: str,
        values: Sequence[tuple[str, bytes]],
        *,
        pending: int = 0,
    ) -> tuple[ApplyResult, list[int]]:
        """Apply changes of one database, publish each to the workers, and move its checkpoint to `seq`.

        Returns:
            The outcome, and the indexes of values older than the stored ones: these are not written, but recorded
            in the checkpoint as `older`.
        """
        fields: list[str | bytes | int] = [part for pair in values for part in pair]
        keys = [self._keys.database(database), self._keys.documents(database)]
        arguments = (token, before.epoch, before.seq, seq, now(), pending, self._keys.changes, database, *fields)
        reply = retry_replacing_wrong_type(
            self._redis, dict.fromkeys(keys, HASH), lambda: scripts.documents(self._redis, keys, *arguments)
        )
        return apply_outcome(reply)

    def get_many(self, database: str, names: Sequence[str]) -> list[bytes | None]:
        """Return the stored values by document id; None where there is none."""
        return self._redis.hmget(self._keys.documents(database), list(names))

    def names(self, database: str) -> list[str]:
        """Return the ids of the stored documents."""
        return [text(name) for name in self._redis.hkeys(self._keys.documents(database)) if name != EPOCH.encode()]

    def are_of_epochs(self, databases: Sequence[str], epochs: Sequence[str]) -> list[bool]:
        """Return whether each database's documents are still stored under its epoch: Redis may have lost them alone."""
        pipeline = self._redis.pipeline(transaction=False)
        for database in databases:
            pipeline.hget(self._keys.documents(database), EPOCH)
        replies = map(unless_wrong_type, pipeline.execute(raise_on_error=False))
        return [stored is not None and text(stored) == epoch for stored, epoch in zip(replies, epochs, strict=True)]

    def repair(self, database: str, token: int, epoch: str, name: bytes, found: bytes, value: bytes) -> bool:
        """Write a document's value, empty for none, where exactly the corrupt one is stored; return whether it was."""
        keys = [self._keys.database(database), self._keys.documents(database)]
        return bool(scripts.repair_document(self._redis, keys, token, epoch, name, found, value))

    def clear(self, database: str, epoch: str) -> None:
        """Remove the documents of a database; those written from now on belong to this epoch."""
        key = self._keys.documents(database)
        self._redis.delete(key)
        self._redis.hset(key, EPOCH, epoch)
        self.publish_reload(database)

    def publish_reload(self, database: str) -> None:
        """Tell the workers to read the documents of a database again as a whole."""
        self._redis.publish(self._keys.changes, f"{database}\0\0")
