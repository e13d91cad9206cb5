"""Fails where code uses an identifier that the project has retired.

The project once named things in a dialect of its own: a lookup was "told" what had been "said". A newcomer could not
search for such names, and some of them mean something else in this field: MOVED is a reply of Redis Cluster, a port is
a TCP port, an authority is a part of an HTTP/2 request. Each entry below gives the name that took its place. The
check reads identifiers from tokens, so prose may use the words in their plain English sense.
"""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.language.identifiers import Identifier, identifiers, split_words

ROOT = Path(__file__).parents[2]
GENERATED = ("router/v1/",)

WORDS = {
    "said": "response, result, reported",
    "told": "response, result, reported",
    "doorman": "connection limiter",
    "doorkeeper": "interceptor",
    "alike": "equal, reuse",
    "gone": "deleted, closed",
    "standing": "status, current, committed",
    "nearby": "fast_path",
    "boarding": "admission",
    "upkeep": "maintenance",
    "patrol": "integrity_checker",
    "seldom": "log_rate_limit",
    "tongue": "protocol",
    "tongues": "protocols",
}
"""Retired as a word of any identifier, with what to use instead."""

NAMES = {
    "words": "message, documentation, fields",
    "most": "max_…",
    "life": "ttl",
    "deaths": "restarts",
    "due": "…_at",
    "bury": "reap",
    "tend": "poll",
    "board": "join",
    "land": "complete",
    "leave_line": "release_reader",
    "in_the_air": "in_flight",
    "in_spite": "retry_replacing_wrong_type",
    "garbled": "corrupt",
    "strays": "orphans",
    "distrust": "invalidate_checkpoint",
    "read_again": "publish_reload",
    "caught_up": "mark_complete",
    "World": "RealStores",
    "vouch": "mark_reference_data_complete",
    "of_nothing": "negative_entry",
    "of_decision": "route_entry",
    "doubt": "unobserved_seconds",
    "suspect": "needs_reread",
    "concerned": "affected_accounts",
    "essence": "comparable",
    "database_of": "shard_for, account_database",
    "standing_of": "committed_state",
    "held_ports": "port_requests",
    "active_ports": "port_requests",
    "backtracking": "regex_cost",
    "bounded_threads": "bounded_executor",
    "breaker_pause": "circuit_breaker_reset_timeout",
    "calls_waiting": "max_queued_calls",
    "changed_files": "file_watcher",
    "cleaning": "uri",
    "connection_calls": "max_concurrent_streams",
    "connection_rate": "max_connection_rate",
    "connection_silence": "idle_timeout",
    "deciding": "decide_step",
    "drain_time_limit": "shutdown_grace_period",
    "exposure": "bind_policy",
    "follower_direct": "follower_max_feeds",
    "follower_readers": "follower_workers",
    "follower_sweep": "follower_reconcile_interval",
    "gathering": "aggregate",
    "give_up": "release_lease",
    "holding": "entry_builder",
    "HEIR": "RESERVED_BY_ANCESTOR",
    "is_sound": "is_valid",
    "keeper": "account_copy_repairer",
    "know": "register",
    "late_copies": "deferred_copies",
    "left_out": "failed_databases",
    "pace": "wait_estimator",
    "pin_workers": "cpu_affinity",
    "saying": "output",
    "telling": "cache_publisher",
    "ticket": "CallHandle",
    "time_limit": "timeout",
    "two_states": "conflicting_states",
    "Alarm": "DeadlineTimer",
    "AddressTaken": "AddressInUseError",
    "Applied": "CheckpointConflict",
    "Ask": "OperationRequest",
    "Authority": "OriginReader, HTTP/2's :authority",
    "CacheTeller": "CachePublisher",
    "CarefulServer": "RegistrationProxy",
    "Case": "DecisionContext",
    "Earlier": "PreviousRun",
    "Flight": "InFlightRead",
    "FollowedDocuments": "ReferenceData",
    "Front": "CallSource",
    "GatheredPages": "AggregatedPages",
    "Known": "TokenSet",
    "Lives": "TTLs",
    "Moved": "CheckpointConflict; MOVED is a reply of Redis Cluster",
    "NotSent": "ConnectFailed",
    "Presumption": "NewAccountGuess",
    "QuietCarrier": "NoopCarrier",
    "Said": "LookupResult",
    "Seldom": "RateLimitFilter",
    "Taken": "QueuedCall",
    "Unanswered": "ResponseLost",
    "WaitingCall": "BlockingCall",
    "Wish": "ImportOptions",
    "Written": "WriteResult",
}
"""Retired as a whole identifier, with or without leading underscores."""

SUFFIXES = {
    "_TOGETHER": "…_BATCH_SIZE",
    "_AT_ONCE": "…_BATCH_SIZE",
    "_EVERY": "…_INTERVAL",
    "_PAUSE": "…_BACKOFF",
    "_LOOK": "…_POLL_INTERVAL",
    "_LOOKS": "…_POLLS",
    "_FEW": "…_THRESHOLD",
    "_MANY": "…_THRESHOLD",
}
"""Retired as the end of a constant's name."""


def replacement(name: str) -> str | None:
    """Return what to use instead of a retired identifier; None for any other."""
    bare = name.lstrip("_")
    if bare in NAMES:
        return NAMES[bare]
    for word in split_words(name):
        if word in WORDS:
            return WORDS[word]
    if name.isupper():
        found = [suffix for suffix in SUFFIXES if f"_{bare}".endswith(suffix)]
        return SUFFIXES[found[0]] if found else None
    return None


def problems(paths: Iterable[Path]) -> Iterator[str]:
    """Yield a line for each retired identifier in Python files."""
    for path in paths:
        for identifier in identifiers(path):
            instead = replacement(identifier.name)
            if instead is not None:
                yield _line(path, identifier, instead)


def _line(path: Path, identifier: Identifier, instead: str) -> str:
    shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    return f"{shown}:{identifier.line}: {identifier.name} is retired: use {instead}"


def tracked_python_files() -> list[Path]:
    """Return the committed Python files, generated ones excepted."""
    command = ["git", "ls-files", "*.py"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    found = [ROOT / name for name in names if not name.startswith(GENERATED)]
    return [path for path in found if path.is_file()]


def main() -> int:
    """Print all problems; return 1 where there is any."""
    found = list(problems(tracked_python_files()))
    print("\n".join([*found, f"{len(found)} retired identifiers"]))  # noqa: T201
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
