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
from router.settings import NAMES
from router.settings.dial_plans import ConverterSettings, DialPlanSettings

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
    "released_state": "state of a released number without an earlier reservation: `available`, `aging` or `released`",
    "should_permanently_delete": "a released number's document is deleted instead",
    "should_age": "a released number that would become available ages first",
    "available_module_name": "carrier module of created numbers",
    "port_in_module_name": "carrier module of numbers created as ported in",
    "features": "`{allow, deny}`, lists of features that numbers may and may not have",
    "local_feature_override": "numbers of the local carrier modules may have the features that reach outside",
    "cnam_provider": "provider of callers' names",
    "e911_provider": "provider of emergency addresses",
    "discovery_expiry_d": "days after which an untaken number in state `discovery` is removed",
    "aging_expiry_d": "days after which an aging number is available again",
}
"""Meaning of each name here. The other names are accepted, because the cluster's document holds them."""
_LONG = {
    "e164_converters": "KAZOO's",
    "reconcile_regex": "KAZOO's",
    "classifiers": "KAZOO's",
    "features": "all, KAZOO's",
}

_TOP = """# Configuration

<!-- Made by `python -m router.cli.configuration_page` from router/settings: change it there. -->

A setting is looked for in this order; the first that gives it counts:

1. **flags** of the command: `--couchdb-url`, `--redis-url`, `--redis-prefix`, for `serve` also `--listen`,
   `--admin`, `--workers`, `--transport` and `--insecure`, and `--set NAME=VALUE` for every other one;
2. the **environment**: `DID_ROUTER_` and the setting's name in capitals;
3. the **TOML file** named with `--config`, in groups;
4. the **default**.

The file writes a setting under its group, the environment and `--set` by its name:

```toml
[couchdb]
url = "http://node1:5984,node2:5984,node3:5984"  # --set couchdb_url=…, DID_ROUTER_COUCHDB_URL
read_timeout = 0.5                               # --set couchdb_read_timeout=0.5, DID_ROUTER_COUCHDB_READ_TIMEOUT

[server]
listen = "0.0.0.0:50051"                         # --set listen=…, DID_ROUTER_LISTEN
```

Lists and tables are TOML in the file, and JSON in the environment and after `--set`. A member of a table can also be
set alone, with two underscores: `DID_ROUTER_DIAL_PLANS__GB__REGION=GB` (names become lower case). A name in the
file, after `--set` or in the environment that is no setting is an error. Variables that Kubernetes makes for a Service
called `did-router` (`…_SERVICE_HOST`, `…_PORT=tcp://…`) are ignored. `did-router check` reads the settings and
reaches every store.

Give the service, the follower and `warm` and `audit` the **same** settings: each process decides with its own routing
settings what a number document becomes.

Passwords belong in the URLs, in settings of their own, or in files; they are never printed or logged. Prefer the files,
or the environment: other users of the machine can read a command line. [Security](security.md) describes TLS and
tokens.
"""

_DIAL_PLANS = """## Dial plans

`dial_plans` is a table of plans by name; a request chooses one by its `dial_plan`. Two always exist: `system`, the
default (a plan called `system` replaces it), and `kazoo`, KAZOO's converters on the text as it is.
[How a number becomes E.164](dial-plans.md) describes the steps.
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
`number_manager` overrides it, name by name. An unusable value in the cluster's document is replaced by its
default, and logged; in the settings it is an error at start.
"""


def page() -> str:
    """Return the whole of docs/configuration.md."""
    parts = [_TOP, *_settings(), _DIAL_PLANS, _members(DialPlanSettings.model_fields)]
    parts += [_AFTER_EXAMPLE, _members(ConverterSettings.model_fields)]
    parts += [f"For example British numbers, in the file:\n\n```toml\n{_EXAMPLE}```\n", _try_it(), _MANAGER, _manager()]
    return "\n".join(parts)


def _settings() -> Iterable[str]:
    for group, kind in NAMES.groups.items():
        rows = [_setting(field, kind.flat_name(field), info) for field, info in kind.model_fields.items()]
        yield f"## {kind.TITLE}\n\nIn the file under `[{group}]`.\n"
        yield _table(("in the file", "setting", "environment variable", "default", "meaning"), rows)
    rows = [_setting(name, name, field) for name, field in NAMES.fields.items() if len(NAMES.path(name)) == 1]
    yield "## Tables\n\nIn the file at the top: `[dial_plans.gb]`, `[number_manager]`, `[carriers.knm_other]`.\n"
    yield _table(("in the file", "setting", "environment variable", "default", "meaning"), rows)


def _setting(field: str, name: str, info: FieldInfo) -> tuple[str, ...]:
    return f"`{field}`", f"`{name}`", f"`DID_ROUTER_{name.upper()}`", _default(info), _meaning(info)


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
    return f"`{json.dumps(_as_integer(value))}`"


def _as_integer(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _meaning(field: FieldInfo) -> str:
    meaning = field.description or ""
    bounds = [
        f"{text} {_as_integer(getattr(bound, name))}" for bound in field.metadata for name, text in _bounds_of(bound)
    ]
    return f"{meaning} ({', '.join(bounds)})" if bounds else meaning


def _bounds_of(constraint: object) -> Iterable[tuple[str, str]]:
    return (bound for kind, bound in _BOUNDS.items() if isinstance(constraint, kind))


def _table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [titles, tuple("---" for _ in titles), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


if __name__ == "__main__":
    sys.stdout.write(page())
