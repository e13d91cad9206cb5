"""`python -m router.cli.configuration_page` prints docs/configuration.md, made from the settings themselves."""

import dataclasses
import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from annotated_types import Ge, Gt, Le, Lt
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from router.numbers.rules import CONFIG_NAMES
from router.numbers.system_config import NumberManagerConfig
from router.settings import Settings
from router.settings.dial_plans import ConverterSettings, DialPlanSettings

_GROUPS: Mapping[str, tuple[str, ...]] = {
    "Stores, addresses and processes": (
        "couchdb_url",
        "couchdb_user",
        "couchdb_password",
        "couchdb_password_file",
        "redis_url",
        "redis_user",
        "redis_password",
        "redis_password_file",
        "sentinel_user",
        "sentinel_password",
        "sentinel_password_file",
        "redis_prefix",
        "listen",
        "admin_listen",
        "workers",
        "transport",
        "drain_delay",
        "shutdown_grace_period",
    ),
    "Who may ask": ("tls_certificate", "tls_key", "tls_client_ca", "token_file", "insecure"),
    "The edge": (
        "edge_directory",
        "edge_external",
        "edge_threads",
        "max_connections",
        "max_connection_rate",
        "max_concurrent_streams",
        "idle_timeout",
    ),
    "Lookups": (
        "lookup_timeout",
        "redis_timeout",
        "couchdb_read_timeout",
        "couchdb_read_pool_size",
        "couchdb_max_pending_reads",
        "circuit_breaker_failures",
        "circuit_breaker_reset_timeout",
        "batch_size",
        "max_queued_calls",
    ),
    "The caches": (
        "near_cache_entries",
        "near_cache_bytes",
        "negative_ttl",
        "fill_ttl",
        "tombstone_ttl",
        "stale_after",
    ),
    "Carriers and feature providers": ("carriers", "features"),
    "Routing": ("unknown_account", "routable_states", "dial_plans", "number_manager"),
    "Changing numbers": ("account_copies",),
}
_FOLLOWER = "The follower"
_OTHER = "Others"

_BOUNDS = {Ge: ("ge", "at least"), Gt: ("gt", "more than"), Le: ("le", "at most"), Lt: ("lt", "less than")}

_NUMBER_MANAGER = {
    "e164_converters": "table of regex to `{prefix, suffix}`: the converters of the dial plan `system`",
    "reconcile_regex": "what a normalised number must match to be looked up",
    "classifiers": "table of name to `{regex, friendly_name, pretty_print, emergency}`",
    "force_local_outbound": "`force_outbound` of numbers of the local carrier modules",
    "force_port_in_outbound": "`force_outbound` of numbers in state `port_in`",
    "force_port_out_outbound": "`force_outbound` of numbers in state `port_out`",
    "default_force_outbound": "`force_outbound` where neither state, module nor feature decides",
    "fetch_account_from_ports": "a number without a document routes by its only active port request",
    "use_stepswitch_cnam": "`inbound_cnam` also for numbers of `knm_vitelity`",
    "released_state": "state of a released number that nobody reserved before: `available`, `aging` or `released`",
    "should_permanently_delete": "a released number's document goes instead",
    "should_age": "a released number that would become available ages first",
    "available_module_name": "carrier module of created numbers",
    "port_in_module_name": "carrier module of numbers created as ported in",
    "features": "`{allow, deny}`, lists of features that numbers may and may not have",
    "local_feature_override": "numbers of the local carrier modules may have the features that reach outside",
    "cnam_provider": "who looks after callers' names",
    "e911_provider": "who looks after emergency addresses",
    "discovery_expiry_d": "days after which a number in state `discovery` that nobody took is removed",
    "aging_expiry_d": "days after which an aging number is available again",
}
"""What each name does here; the others are accepted, because the cluster's document holds them."""
_LONG = {
    "e164_converters": "KAZOO's",
    "reconcile_regex": "KAZOO's",
    "classifiers": "KAZOO's",
    "features": "all, KAZOO's",
}

_TOP = """# Configuration

<!-- Made by `python -m router.cli.configuration_page` from router/settings/settings.py: change it there. -->

A setting is looked for in this order; the first that gives it counts:

1. **flags** of the command: `--couchdb-url`, `--redis-url`, `--redis-prefix`, for `serve` also `--listen`,
   `--admin`, `--workers`, `--transport` and `--insecure`, and `--set NAME=VALUE` for every other one;
2. the **environment**: `DID_ROUTER_` and the setting's name in capitals;
3. the **TOML file** named with `--config`;
4. the **default**.

Lists and tables are TOML in the file, and JSON in the environment and after `--set`. A member of a table can also be
set alone, with two underscores: `DID_ROUTER_DIAL_PLANS__GB__REGION=GB` (names come out in small letters). A name in the
file, after `--set` or in the environment that is no setting is an error. Variables that Kubernetes makes for a Service
called `did-router` (`…_SERVICE_HOST`, `…_PORT=tcp://…`) are passed over. `did-router check` reads the settings and
reaches every store.

Give the service, the follower and `warm` and `audit` the **same** settings: what a number document comes to is decided
where it is read, with that process's routing settings.

Passwords stand in the URLs, in settings of their own, or in files; they are never printed or logged. Prefer the files,
or the environment: other users of the machine can read a command line. [Security](security.md) tells of TLS and tokens.
"""

_DIAL_PLANS = """## Dial plans

`dial_plans` is a table of plans by name; a request chooses one by its `dial_plan`. Two exist anyway: `system`, which is
used where none is named (a plan called `system` replaces it), and `kazoo`, KAZOO's converters on the text as it is.
[How a number becomes E.164](dial-plans.md) says what happens with them.
"""

_EXAMPLE = """[dial_plans.gb]
region = "GB"

[[dial_plans.gb.rules]]
name = "gb short codes of our own"
regex = '^(7[0-9]{3})$'
prefix = "+44207946"
"""

_AFTER_EXAMPLE = """Each of `rules` and `converters` is a list of steps:
"""

_MANAGER = """## number_manager

A KAZOO cluster keeps settings of its own in `system_config`, document `number_manager`, section `default`. The follower
follows that document, and a change counts at once; without a follower, a service reads it from CouchDB. The setting
`number_manager` overrules it, name by name. A value in the cluster's document that can't be used gives way to its
default with a line in the log; here it is an error at start.
"""


def page() -> str:
    """The whole of docs/configuration.md."""
    parts = [_TOP, *_settings(), _DIAL_PLANS, _members(DialPlanSettings.model_fields)]
    parts += [_AFTER_EXAMPLE, _members(ConverterSettings.model_fields)]
    parts += [f"For example British numbers, in the file:\n\n```toml\n{_EXAMPLE}```\n", _try_it(), _MANAGER, _manager()]
    return "\n".join(parts)


def _settings() -> Iterable[str]:
    fields = Settings.model_fields
    follower = tuple(name for name in fields if name.startswith("follower_"))
    groups = {**_GROUPS, _FOLLOWER: follower}
    placed = {name for names in groups.values() for name in names}
    groups[_OTHER] = tuple(name for name in fields if name not in placed)
    for title, names in groups.items():
        rows = [_setting(name, fields[name]) for name in names if name in fields]
        if rows:
            yield f"## {title}\n"
            yield _table(("setting", "environment variable", "default", "meaning"), rows)


def _setting(name: str, field: FieldInfo) -> tuple[str, ...]:
    return f"`{name}`", f"`DID_ROUTER_{name.upper()}`", _default(field), _meaning(field)


def _members(fields: Mapping[str, FieldInfo]) -> str:
    return _table(
        ("member", "default", "meaning"),
        [(f"`{name}`", _default(field), _meaning(field)) for name, field in fields.items()],
    )


def _manager() -> str:
    defaults = {field.name: field.default for field in dataclasses.fields(NumberManagerConfig)}
    rows = [
        (f"`{name}`", _LONG.get(name) or _value(defaults[name]), meaning) for name, meaning in _NUMBER_MANAGER.items()
    ]
    unused = ", ".join(f"`{name}`" for name in defaults if name in CONFIG_NAMES - _NUMBER_MANAGER.keys())
    return _table(("name", "default", "meaning"), rows) + f"\nAccepted, and used by nothing yet: {unused}.\n"


def _try_it() -> str:
    return (
        "```console\n$ did-router normalise --config router.toml --dial-plan gb '(020) 7946 0018' 7123\n"
        "(020) 7946 0018 → +442079460018  [phonenumbers GB]  reconcilable, international, numbers/+4420\n"
        "7123 → +442079467123  [gb short codes of our own]  reconcilable, international, numbers/+4420\n```\n"
    )


def _default(field: FieldInfo) -> str:
    return "required" if field.is_required() else _value(field.default)


def _value(value: Any) -> str:
    if value is None or isinstance(value, SecretStr):
        return "none"
    return f"`{json.dumps(_whole(value))}`"


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _meaning(field: FieldInfo) -> str:
    words = field.description or ""
    bounds = [f"{said} {_whole(getattr(bound, name))}" for bound in field.metadata for name, said in _bounds_of(bound)]
    return f"{words} ({', '.join(bounds)})" if bounds else words


def _bounds_of(constraint: object) -> Iterable[tuple[str, str]]:
    return (told for kind, told in _BOUNDS.items() if isinstance(constraint, kind))


def _table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [titles, tuple("---" for _ in titles), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


if __name__ == "__main__":
    sys.stdout.write(page())
