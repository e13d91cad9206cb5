"""The servers of a contract test: a single node, or one node of a cluster."""

import zlib
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Topology:
    """The nodes' base URLs with credentials, and whether they are real ones."""

    urls: tuple[str, ...]
    real: bool

    @property
    def is_cluster(self) -> bool:
        return len(self.urls) > 1

    @property
    def copies(self) -> int:
        """CouchDB's n."""
        return len(self.urls)

    @property
    def quorum(self) -> int:
        return self.copies // 2 + 1

    def node_for(self, test: str) -> str:
        """The node that a test speaks to: always the same, and another for another test."""
        return self.urls[zlib.crc32(test.encode()) % len(self.urls)]


def split_url(url: str) -> tuple[str, ...]:
    """Each node's URL from `http://user:password@host:1,host:2`, or the one."""
    parts = urlsplit(url.rstrip("/"))
    credentials, _, addresses = parts.netloc.rpartition("@")
    return tuple(f"{parts.scheme}://{credentials}@{address}" for address in addresses.split(","))
