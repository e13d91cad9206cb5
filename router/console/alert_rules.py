"""Every alert: what it means for calls, what to do, and Prometheus' rule for it.

deploy/prometheus/rules/alerts.yml and the table in docs/operations.md are made from this table (`make docs`), and the
console judges the same alerts by what it sees.
"""

import re
from dataclasses import dataclass
from enum import Enum

_SECONDS = {"m": 60, "h": 3600}


class Severity(Enum):
    """The urgency of an alert."""

    CRITICAL = "critical"
    """Calls fail, or soon will."""
    WARNING = "warning"
    """Look today."""
    INFO = "info"
    """Look when there is time."""


@dataclass(frozen=True, slots=True)
class AlertRule:
    """An alert.

    Attributes:
        name: in Prometheus; its runbook's heading in docs/operations.md.
        expression: PromQL.
        summary: of Prometheus' alert, with its templates.
        effect: on calls.
        remedy: what to do.
        wait: that the expression must hold; empty: none.
    """

    name: str
    severity: Severity
    expression: str
    summary: str
    effect: str
    remedy: str
    wait: str = ""

    @property
    def windows(self) -> tuple[int, ...]:
        """The times over which the expression looks back, in seconds, ascending; none: it judges what is now."""
        found = re.findall(r"(?:\[|_rate)(\d+)([mh])", self.expression)
        return tuple(sorted({int(count) * _SECONDS[unit] for count, unit in found}))


SILENT_AFTER = 15
"""Seconds without a follower's status: longer than a standby takes to lead."""
MAX_LAG = 5
"""Seconds."""
MAX_MISSES = 0.05
"""Share of lookups that find nothing in a complete cache."""
MAX_READS_IN_FLIGHT = 200
MAX_RESTARTS = 3
"""In a quarter of an hour."""
MAX_FAILED = 14.4 * 0.0001
"""Share of lookups that fail: the rate at which the error budget of 30 days is spent in two."""
SLOW_CALL = 0.05
"""Seconds of a Lookup call."""
MAX_SLOW = 14.4 * 0.001
"""Share of Lookup calls that are slow."""
MAX_LATE_CHANGES = 0.05
"""Share of changes that are visible after more than a second."""
EXPIRY_NOTICE = 14 * 86400
"""Seconds before a certificate expires."""

ABSENT = AlertRule(
    "DidRouterAbsent",
    Severity.CRITICAL,
    expression="absent(did_router_serving)",
    wait="1m",
    summary="No did-router is scraped.",
    effect="Nothing is known; calls probably fail.",
    remedy="Is serve running, and does Prometheus reach its admin address, with a token of the scope admin?",
)
NO_ANSWERS = AlertRule(
    "DidRouterNoAnswers",
    Severity.CRITICAL,
    expression="max by (job) (did_router_serving) == 0",
    wait="30s",
    summary="No worker can answer lookups.",
    effect="Calls fail.",
    remedy=(
        "Both stores are unreachable, or CouchDB is and Redis is empty: /readyz names the reason for each worker."
        " Restore one of them."
    ),
)
WORKER_HANGS = AlertRule(
    "DidRouterWorkerHangs",
    Severity.WARNING,
    expression="did_router_worker_up == 0",
    wait="1m",
    summary="{{ $labels.worker }} of {{ $labels.instance }} does not respond.",
    effect="Calls on its connections wait; behind the edge another worker answers after 250 ms.",
    remedy="Its log lines name it. SIGKILL its process, and a new one starts.",
)
WORKERS_RESTART = AlertRule(
    "DidRouterWorkersRestart",
    Severity.WARNING,
    expression=f"increase(did_router_worker_restarts_total[15m]) > {MAX_RESTARTS}",
    summary="{{ $labels.worker }} of {{ $labels.instance }} keeps ending.",
    effect="Each end fails the calls that it answers.",
    remedy="The log has its exit code: -9 is the kernel's for want of memory, 3 an address or a setting.",
)
REDIS_UNREACHABLE = AlertRule(
    "DidRouterRedisUnreachable",
    Severity.CRITICAL,
    expression='min by (job, instance) (did_router_store_up{store="redis"}) == 0',
    wait="30s",
    summary="{{ $labels.instance }} does not reach Redis.",
    effect="Every call outside of the near caches goes to CouchDB.",
    remedy="Restore Redis. Empty or not, the follower fills in what is missing.",
)
COUCHDB_UNREACHABLE = AlertRule(
    "DidRouterCouchDBUnreachable",
    Severity.CRITICAL,
    expression='min by (job, instance) (did_router_store_up{store="couchdb"}) == 0',
    wait="1m",
    summary="{{ $labels.instance }} does not reach CouchDB.",
    effect="Numbers in no cache are not answered; changes are not seen.",
    remedy="Restore CouchDB. /state and the log name a refused password.",
)
STALE = AlertRule(
    "DidRouterStale",
    Severity.WARNING,
    expression="max by (job, instance) (did_router_stale) == 1",
    wait="30s",
    summary="{{ $labels.instance }} marks its answers as stale.",
    effect="Answers may lack changes.",
    remedy="See the alerts of the follower and of Redis; a full Redis refuses writes: did-router check shows it.",
)
NO_FOLLOWER = AlertRule(
    "DidRouterNoFollower",
    Severity.CRITICAL,
    expression=(
        f"max by (job) (did_router_follower_age_seconds) > {SILENT_AFTER} or "
        "count by (job) (did_router_serving) unless on (job) count by (job) (did_router_follower_age_seconds)"
    ),
    wait="30s",
    summary="No follower leads.",
    effect="No changes are applied: numbers that moved keep their old route.",
    remedy=(
        "Start did-router follow, or serve --with-follower. /state names the last leader; its log says why it ended."
    ),
)
BEHIND = AlertRule(
    "DidRouterBehind",
    Severity.WARNING,
    expression=f"max by (job) (did_router_follower_lag_seconds) > {MAX_LAG}",
    wait="1m",
    summary="The follower is {{ $value | humanizeDuration }} behind.",
    effect="Changes become visible late.",
    remedy="The console's Health names the databases that lag. The cause is a bulk load, or a slow CouchDB.",
)
NOT_COMPLETE = AlertRule(
    "DidRouterNotComplete",
    Severity.WARNING,
    expression="max by (job) (did_router_follower_databases_complete) < max by (job) (did_router_follower_databases)",
    wait="10m",
    summary="Databases are missing in the cache.",
    effect="Each miss in them costs a database read.",
    remedy="The follower's log names the failing database and the reason.",
)
MISSES = AlertRule(
    "DidRouterMisses",
    Severity.WARNING,
    expression=(
        f"job:did_router_lookup_misses:ratio_rate5m > {MAX_MISSES} and on (job) max by (job) "
        "(did_router_follower_databases_complete) >= max by (job) (did_router_follower_databases)"
    ),
    wait="10m",
    summary="{{ $value | humanizePercentage }} of lookups find nothing in a cache.",
    effect="They wait for CouchDB.",
    remedy=(
        "Evicted entries, or calls for numbers that do not exist: did-router check shows Redis' policy; did-"
        "router audit compares the cache."
    ),
)
OVERLOADED = AlertRule(
    "DidRouterOverloaded",
    Severity.CRITICAL,
    expression='sum by (job) (rate(did_router_lookups_total{reason="OVERLOADED"}[1m])) > 0',
    wait="1m",
    summary="{{ $value | humanize }} calls/s are refused: too many wait.",
    effect="Callers are refused.",
    remedy=(
        "Add workers or machines, or a faster CouchDB. On grpcio limit the open calls of each caller: docs/overload.md."
    ),
)
COUCHDB_SLOW = AlertRule(
    "DidRouterCouchDBSlow",
    Severity.WARNING,
    expression=f"max by (job, instance) (did_router_reads_in_flight) > {MAX_READS_IN_FLIGHT}",
    wait="30s",
    summary="{{ $value }} numbers wait for CouchDB at a worker of {{ $labels.instance }}.",
    effect="Calls will soon be refused.",
    remedy="Check CouchDB; couchdb_read_pool_size limits its load.",
)
ACCOUNT_COPIES_WAIT = AlertRule(
    "DidRouterAccountCopiesWait",
    Severity.INFO,
    expression="max by (job) (did_router_follower_copies_pending) > 0",
    wait="15m",
    summary="{{ $value }} changes wait for their account copies.",
    effect="Interfaces list old numbers; calls are not affected.",
    remedy="The follower's log names account and reason; for a list that is too large see docs/account-copies.md.",
)
UNKNOWN_ACCOUNTS = AlertRule(
    "DidRouterUnknownAccounts",
    Severity.INFO,
    expression="sum by (job) (increase(did_router_unknown_accounts_total[1h])) > 0",
    summary="Lookups lead to accounts without a document.",
    effect="Calls reach a switch that knows no such account.",
    remedy='did-router audit; repair the numbers, or set unknown_account = "refuse".',
)
FAILING = AlertRule(
    "DidRouterFailing",
    Severity.CRITICAL,
    expression=(
        "(job:did_router_lookups_failed:ratio_rate5m > 14.4 * 0.0001 and "
        "job:did_router_lookups_failed:ratio_rate1h > 14.4 * 0.0001) or "
        "(job:did_router_lookups_failed:ratio_rate30m > 6 * 0.0001 and job:did_router_lookups_failed:ratio_rate6h"
        " > 6 * 0.0001)"
    ),
    summary="{{ $value | humanizePercentage }} of lookups fail.",
    effect="At this rate the error budget of 30 days (0.01 % of lookups) is spent within two to five days.",
    remedy="The refusals by reason tell what fails; did-router recent shows the calls.",
)
SLOW = AlertRule(
    "DidRouterSlow",
    Severity.WARNING,
    expression=(
        "job:did_router_lookup_calls_slow:ratio_rate5m > 14.4 * 0.001 and "
        "job:did_router_lookup_calls_slow:ratio_rate1h > 14.4 * 0.001"
    ),
    summary="{{ $value | humanizePercentage }} of Lookup calls take more than 50 ms.",
    effect="Callers hear silence for longer, or give up.",
    remedy=(
        "The dashboard's row of stores shows whether Redis or CouchDB is slow; otherwise the CPU is: add workers "
        "or machines."
    ),
)
CHANGES_LATE = AlertRule(
    "DidRouterChangesLate",
    Severity.WARNING,
    expression=f"job:did_router_changes_late:ratio_rate1h > {MAX_LATE_CHANGES}",
    wait="10m",
    summary="{{ $value | humanizePercentage }} of changes became visible after more than a second.",
    effect="A number that moved keeps its old route for that long.",
    remedy=(
        "A bulk load explains it. Otherwise Redis or CouchDB is slow: see the dashboard's rows of stores and follower."
    ),
)
CERTIFICATE_EXPIRES = AlertRule(
    "DidRouterCertificateExpires",
    Severity.WARNING,
    expression="min by (job, setting) (did_router_certificate_not_after_timestamp_seconds) - time() < 14 * 86400",
    wait="1h",
    summary="The certificate of {{ $labels.setting }} expires in {{ $value | humanizeDuration }}.",
    effect="New connections are refused from then on.",
    remedy="Renew the file: it is read again without a restart.",
)
SETTINGS_DIFFER = AlertRule(
    "DidRouterSettingsDiffer",
    Severity.WARNING,
    expression="count by (job) (count by (job, hash) (did_router_config_info)) > 1",
    wait="30m",
    summary="Instances run with different settings.",
    effect="Answers depend on the instance that is asked, and the follower's fill does not fit all.",
    remedy=(
        "Compare did_router_config_info by instance; give every process the same settings and restart those that "
        "differ."
    ),
)

ALERT_RULES = (
    ABSENT,
    NO_ANSWERS,
    WORKER_HANGS,
    WORKERS_RESTART,
    REDIS_UNREACHABLE,
    COUCHDB_UNREACHABLE,
    STALE,
    NO_FOLLOWER,
    BEHIND,
    NOT_COMPLETE,
    MISSES,
    OVERLOADED,
    COUCHDB_SLOW,
    ACCOUNT_COPIES_WAIT,
    UNKNOWN_ACCOUNTS,
    FAILING,
    SLOW,
    CHANGES_LATE,
    CERTIFICATE_EXPIRES,
    SETTINGS_DIFFER,
)
"""The gravest of a fault first."""

INSTANCE_SILENT = AlertRule(
    "",
    Severity.CRITICAL,
    expression="",
    summary="",
    effect="Nothing is known of its workers; they may still answer calls.",
    remedy="See whether the process runs on that machine, and whether this one may connect to its admin address.",
)
"""The console's alone: Prometheus has `up` for each instance that it scrapes."""
