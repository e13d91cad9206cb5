"""The names of everything in Redis, all under one prefix (docs/operations.md lists them for operators).

A database is the hash tag of its keys, so that its numbers and its checkpoint share a cluster slot and one
script may change them together.
"""

from router.numbers.shards import SHARD_PREFIX, is_shard, shard_for

EPOCH = ""
"""The field of a hash of followed documents (no document has an empty id) that says of which epoch they are: Redis may
lose the documents and keep the checkpoint."""
CORRUPT = b"spoilt"
"""Stands there once something else was found among the documents: the follower reads them again."""


class Keys:
    """Key names under one prefix."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.changes = f"{prefix}changes"
        """Channel: a followed document outside of the number databases changed."""
        self.barrier = f"{prefix}barrier"
        """Channel: every near cache answers what is published here, once it has taken what came before."""
        self.lease = f"{prefix}{{follower}}:lease"
        self.token = f"{prefix}{{follower}}:token"
        self.databases = f"{prefix}{{follower}}:databases"
        """A set: the databases that have a checkpoint."""
        self.status = f"{prefix}{{follower}}:status"
        self.copies = f"{prefix}{{follower}}:copies"
        """A hash: numbers whose account copies have yet to be looked at."""

    def number(self, number: str) -> str:
        """The cache entry of an E.164 number."""
        return f"{self.prefix}{{{number[:5]}}}{number[5:]}"

    def passed(self, token: str) -> str:
        """A list: one element for each near cache that has come past a barrier."""
        return f"{self.prefix}{{barrier}}:{token}"

    def database(self, name: str) -> str:
        """A hash: what the follower knows of a database, its checkpoint first."""
        return f"{self.prefix}{{{name.removeprefix(SHARD_PREFIX)}}}:db"

    def orphans(self, name: str) -> str:
        """A set: keys of entries that lookups kept of a database that no follower knows yet."""
        return f"{self.prefix}{{{name.removeprefix(SHARD_PREFIX)}}}:orphans"

    def documents(self, name: str) -> str:
        """A hash: the followed documents of a database that is not a number database, by id, and EPOCH."""
        return f"{self.prefix}{{{name}}}:documents"

    def number_of(self, key: str) -> str | None:
        """The number whose entry a key is; None for every other key."""
        tag, closed, rest = key.removeprefix(self.prefix).removeprefix("{").partition("}")
        number = tag + rest
        if not closed or ":" in rest or not is_shard(shard_for(number) or ""):
            return None
        return number if self.number(number) == key else None
