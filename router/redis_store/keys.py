"""The names of all keys and channels in Redis, under one prefix (docs/redis-keys.md lists them for operators).

The hash tag of a key is its database, so that a database's entries and checkpoint share a Cluster slot and one script
may change them together.
"""

from router.numbers.shards import SHARD_PREFIX, is_shard, shard_for

EPOCH = ""
"""The field of a hash of followed documents that holds their epoch (no document has an empty id): Redis may lose the
documents and keep the checkpoint."""
CORRUPT = b"corrupt"
"""The value of that field once a corrupt document was found: the follower reads the documents again."""


class Keys:
    """Names under one prefix."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.changes = f"{prefix}changes"
        """Channel: changes of followed documents outside of the number databases."""
        self.barrier = f"{prefix}barrier"
        """Channel: each near cache acknowledges a message once it has processed the invalidations before it."""
        self.lease = f"{prefix}{{follower}}:lease"
        self.token = f"{prefix}{{follower}}:token"
        self.databases = f"{prefix}{{follower}}:databases"
        """A set: the databases that have a checkpoint."""
        self.status = f"{prefix}{{follower}}:status"
        self.pending_copies = f"{prefix}{{follower}}:copies"
        """A hash: numbers whose account copies have not been checked yet."""

    def number(self, number: str) -> str:
        """Return the key of an E.164 number's entry."""
        return f"{self.prefix}{{{number[:5]}}}{number[5:]}"

    def barrier_acks(self, token: str) -> str:
        """Return the key of a list: one element for each near cache that has passed a barrier."""
        return f"{self.prefix}{{barrier}}:{token}"

    def database(self, name: str) -> str:
        """Return the key of a hash: a database's checkpoint."""
        return f"{self.prefix}{{{name.removeprefix(SHARD_PREFIX)}}}:db"

    def orphans(self, name: str) -> str:
        """Return the key of a set: entries that lookups stored for a database that no follower knows yet."""
        return f"{self.prefix}{{{name.removeprefix(SHARD_PREFIX)}}}:orphans"

    def documents(self, name: str) -> str:
        """Return the key of a hash: the followed documents of other databases, by id, and EPOCH."""
        return f"{self.prefix}{{{name}}}:documents"

    def number_of(self, key: str) -> str | None:
        """Return the number whose entry a key holds; None for every other key."""
        tag, closed, rest = key.removeprefix(self.prefix).removeprefix("{").partition("}")
        number = tag + rest
        if not closed or ":" in rest or not is_shard(shard_for(number) or ""):
            return None
        return number if self.number(number) == key else None
