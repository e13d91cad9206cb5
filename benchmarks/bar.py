"""The bar: ratios within one run that this project holds itself to. Absolute figures prove nothing."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.figures import Results

CAPACITY = "8x16"
HALF = "half"
"""Open loop at half of a capacity: for most the near cache's, as `PACED_BY` in the plan has it."""

KEPT_ALIVE = "32x1"
"""HTTP: one request at a time on each of 32 connections."""

NEAR, REDIS, TEXTBOOK, ECHO = "near native", "redis native", "textbook", "echo native"
EDGE, EDGE_ECHO = "near edge tls tokens", "echo edge tls tokens"
GRPCIO_TLS, TEXTBOOK_TLS, CPP_TLS = "near grpcio tls", "textbook tls", "c++ map tls"
"""The production setup, its ceiling, and its peers."""
HTTP, SIP, ENUM = "near http", "near sip", "near enum"
GRPCIO, KAMAILIO, KNOT = "near grpcio", "kamailio", "knot"
"""Ways of asking without gRPC, and what each is compared with."""
SMALL, LARGE = 10_000, 1_000_000
COMPARED = frozenset(
    (
        NEAR,
        REDIS,
        TEXTBOOK,
        ECHO,
        "go map",
        "c++ map",
        "go redis",
        "node redis",
        KAMAILIO,
        KNOT,
        HTTP,
        SIP,
        ENUM,
        GRPCIO,
        "echo grpcio",
        EDGE,
        EDGE_ECHO,
        GRPCIO_TLS,
        TEXTBOOK_TLS,
        CPP_TLS,
    )
)
"""Contestants whose figures the ratios need: they take a turn in every round."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """One line of the bar.

    Attributes:
        value: from the results; None where something it needs was not measured.
        least: what it must reach (or, for `at_most`, must not pass); wanted: what we would like.
    """

    what: str
    value: Callable[[Results], float | None]
    least: float
    wanted: float | None = None
    at_most: bool = False

    def verdict(self, value: float) -> str:
        """Return where a value stands relative to its bound."""
        reached = value <= self.least if self.at_most else value >= self.least
        if not reached:
            return "short"
        if self.wanted is None:
            return "reached"
        return "wanted" if (value <= self.wanted if self.at_most else value >= self.wanted) else "reached"


def _over(
    one: tuple[str, str, int | None], other: tuple[str, str, int | None], what: str
) -> Callable[[Results], float | None]:
    def value(seen: Results) -> float | None:
        above, below = (seen.value(name, load, what, count) for name, load, count in (one, other))
        return above / below if above and below else None

    return value


def _per_cpu(one: str, other: str) -> Callable[[Results], float | None]:
    return _over((one, CAPACITY, None), (other, CAPACITY, None), "per_cpu")


def _bytes_a_number(seen: Results) -> float | None:
    return max(seen.redis_bytes.values(), default=None)


def _warming(seen: Results) -> float | None:
    """Against plain reading, of a real CouchDB: the embedded database returns stored bytes unchanged."""
    rows = seen.other.get("warming", [])
    return min((row["warm"] / row["plain"] for row in rows if row["real"]), default=None)


def _copying(seen: Results) -> float | None:
    rows = seen.other.get("warming", [])
    return min((row["whole"] / row["copy"] for row in rows), default=None)


BAR = (
    Ratio(
        "behind the edge with TLS and tokens per CPU-second, against grpcio with TLS", _per_cpu(EDGE, GRPCIO_TLS), 4, 6
    ),
    Ratio("behind the edge per CPU-second, against textbook with TLS", _per_cpu(EDGE, TEXTBOOK_TLS), 6, 9),
    Ratio(
        "behind the edge, capacity at 8 x 16, against grpcio with TLS",
        _over((EDGE, CAPACITY, None), (GRPCIO_TLS, CAPACITY, None), "rate"),
        4.5,
        7,
    ),
    Ratio("behind the edge per CPU-second, against C++ with TLS and a hash map", _per_cpu(EDGE, CPP_TLS), 0.5, 0.75),
    Ratio(
        "p99 at half of capacity behind the edge, against the native echo behind the edge",
        _over((EDGE, HALF, None), (EDGE_ECHO, HALF, None), "p99"),
        1.5,
        1.2,
        at_most=True,
    ),
    Ratio("near cache per CPU-second, against textbook", _per_cpu(NEAR, TEXTBOOK), 15, 18),
    Ratio("Redis only per CPU-second, against textbook", _per_cpu(REDIS, TEXTBOOK), 12, 14),
    Ratio(
        "near cache capacity at 8 x 16, against textbook",
        _over((NEAR, CAPACITY, None), (TEXTBOOK, CAPACITY, None), "rate"),
        16,
        20,
    ),
    Ratio("near cache per CPU-second, against Go with a map", _per_cpu(NEAR, "go map"), 0.85, 1),
    Ratio("near cache per CPU-second, against C++ with a hash map", _per_cpu(NEAR, "c++ map"), 0.9, 1),
    Ratio("Redis only per CPU-second, against Go with go-redis", _per_cpu(REDIS, "go redis"), 1.3, 1.6),
    Ratio("near cache per CPU-second, against Node", _per_cpu(NEAR, "node redis"), 2.7),
    Ratio("near cache per CPU-second, against Kamailio + ndb_redis", _per_cpu(NEAR, KAMAILIO), 2.2),
    Ratio(
        "HTTP per CPU-second, against grpcio's Lookup",
        _over((HTTP, KEPT_ALIVE, None), (GRPCIO, CAPACITY, None), "per_cpu"),
        3,
        5,
    ),
    Ratio("SIP redirect per CPU-second, against Kamailio + ndb_redis", _per_cpu(SIP, KAMAILIO), 1),
    Ratio("ENUM per CPU-second, against Knot DNS", _per_cpu(ENUM, KNOT), 0.2),
    Ratio("near cache per CPU-second, against the bare echo, native", _per_cpu(NEAR, ECHO), 0.9),
    Ratio("near cache per CPU-second, against the bare echo, grpcio", _per_cpu(GRPCIO, "echo grpcio"), 0.9),
    Ratio(
        "p99 at half of capacity, against the bare echo's at the same rate",
        _over((NEAR, HALF, None), (ECHO, HALF, None), "p99"),
        1.5,
        1.2,
        at_most=True,
    ),
    Ratio(
        "capacity at 1,000,000 numbers, against 10,000 (Redis only)",
        _over((REDIS, "growth", LARGE), (REDIS, "growth", SMALL), "rate"),
        0.9,
    ),
    Ratio(
        "national form against E.164 (near cache)",
        _over((NEAR, "national", None), (NEAR, "e164", None), "rate"),
        0.9,
    ),
    Ratio(
        "national form against E.164 (Redis only)",
        _over((REDIS, "national", None), (REDIS, "e164", None), "rate"),
        0.9,
    ),
    Ratio("Redis bytes a number", _bytes_a_number, 250, 180, at_most=True),
    Ratio("warm-up against plain _all_docs?include_docs=true of a CouchDB", _warming, 0.5, 0.8),
    Ratio("warm-up with its start, against a straightforward copy into Redis", _copying, 0.5, 0.8),
)
