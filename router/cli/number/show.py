"""The command `did-router number show`."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import click
import orjson
import redis
from rich.table import Table

from router.bulk.export import AccountNames
from router.cli import tables
from router.cli.number import output
from router.cli.options import as_text, settings_options
from router.cli.shared_options import auth_by_option
from router.entries import codec, entry_builder
from router.entries.codec import NEGATIVE, REFUSAL, ROUTE, TOMBSTONE, Entry
from router.lifecycle import document_writer
from router.lifecycle.operations import SYSTEM, Operation, OperationRequest
from router.lookup.descriptions import describe_entry
from router.lookup.origin_reader import OriginReader
from router.manager.manager import NumberManager
from router.manager.outcomes import Outcome
from router.numbers import classifiers, shards
from router.numbers.documents import NumberDocument, Skipped
from router.numbers.gregorian import to_unix
from router.numbers.rules import Rules
from router.settings import Settings
from router.settings.rules import build_rules_or_defaults
from router.stores.clients import Stores
from router.v1 import inbound_pb2 as pb

_NORTH_AMERICAN = "SS(###) ### - ####"
_ANSWER_FIELDS = ("revision", "written", "account_id", "state", "reason")
_AGES = ((86400 * 365.25, "year"), (86400.0, "day"), (3600.0, "hour"), (60.0, "minute"), (1.0, "second"))


@dataclass(frozen=True, slots=True)
class _Answer:
    """The answer of a lookup from one place.

    Attributes:
        entry: None: nothing is kept there.
        text: the answer, or why there is none.
    """

    entry: Entry | None
    text: str


@click.command("show")
@auth_by_option
@click.option("--json", "as_lines", is_flag=True, help="Print one JSON object per number.")
@click.argument("numbers", nargs=-1, required=True)
@settings_options
def show_number(settings: Settings, numbers: tuple[str, ...], auth_by: str, *, as_lines: bool) -> None:
    """Show a number's document, and the answers that lookups get from the document and from Redis.

    \b
      did-router number show 4158867900
      did-router number show --json +14158867900 | jq .lookup
    """  # noqa: D301
    show = _Show(settings)
    texts = [as_text(number) for number in numbers]
    outcomes = show.manager.carry_out([OperationRequest(Operation.GET, text, auth_by) for text in texts])
    for position, (text, outcome) in enumerate(zip(texts, outcomes, strict=True)):
        if as_lines:
            click.echo(orjson.dumps(show.as_json(text, outcome)))
        else:
            if position:
                click.echo()
            show.print(text, outcome)
    raise SystemExit(output.exit_code(outcomes))


class _Show:
    """Reads everything about a number, and prints it."""

    def __init__(self, settings: Settings) -> None:
        self._stores = Stores(settings)
        self.manager = NumberManager(settings, self._stores)
        self._names = AccountNames(self._stores.databases)
        self._authority = OriginReader(self._stores.databases)
        self._rules: Rules = build_rules_or_defaults(settings, self._authority.configuration())
        self._now = int(time.time())

    def as_json(self, given: str, outcome: Outcome) -> dict[str, Any]:
        """Return one number for programs."""
        fields = output.found_json(given, outcome)
        number, document = outcome.number, outcome.document
        fields |= dict.fromkeys(("pretty", "classification", "database", "accounts", "problems", "lookup"))
        if outcome.error is not None and outcome.error.error != "not_found":
            return fields
        fields["pretty"], fields["classification"] = self._pretty(number)
        fields["database"] = shards.shard_for(number)
        if document is not None:
            fields["accounts"] = {
                account: self._names.of([account])[account] or None for account in _accounts(document)
            }
            fields["problems"] = list(document.problems)
        fields["lookup"] = {
            "document": _answer_as_json(self._from_document(number, document), number) | {"written": None},
            "redis": _answer_as_json(self._from_redis(number), number),
        }
        return fields

    def print(self, given: str, outcome: Outcome) -> None:
        """Print one number for people."""
        number, document = outcome.number, outcome.document
        if outcome.error is not None:
            click.echo(f"{number or given}: {outcome.error}", err=True)
            if outcome.error.error != "not_found":
                return
        table = Table(show_header=False, box=None, pad_edge=False)
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        pretty, name = self._pretty(number)
        table.add_row(number, f"{pretty}, {name or 'no class'}")
        for title, text in (*(self._lines(document) if document is not None else ()), *self._lookup(number, document)):
            table.add_row(title, text)
        tables.show(table)

    def _lines(self, document: NumberDocument) -> list[tuple[str, str]]:
        public, carrier = document_writer.public_fields(document), document_writer.module_data(document)
        lines = [
            ("state", document.state or "none"),
            ("account", self._account(document.assigned_to) if document.assigned_to else "nobody"),
            ("previously", self._account(document.previously_assigned_to)),
            ("reserved by", output.history_line(document.reserve_history, self._account)),
            ("carrier", document.module_name),
            ("carrier data", _settings(carrier)),
            *_block("features", document.features),
            *_block("public fields", public),
            ("used by", document.used_by or ""),
            ("ported in", "yes" if document.ported_in else ""),
            ("created", f"{self._time(document.created)}{self._created_by(document.authorizing_account)}"),
            ("modified", self._time(document.modified)),
            ("marked deleted", "yes (pvt_deleted)" if document.deleted else ""),
            ("document", f"{shards.shard_for(document.number)}, {document.revision}"),
            *(("problem", problem) for problem in document.problems),
        ]
        return [(title, text) for title, text in lines if text]

    def _lookup(self, number: str, document: NumberDocument | None) -> list[tuple[str, str]]:
        from_document, from_redis = self._from_document(number, document), self._from_redis(number)
        text = from_redis.text
        if from_redis.entry is not None:
            age = max(0, self._now - from_redis.entry.written)
            same = _is_same_answer(from_document.entry, from_redis.entry)
            text += f" (written {_age(age)} ago, {'the same' if same else 'not what the document says now'})"
        return [("lookup, document", from_document.text), ("lookup, Redis", text)]

    def _from_document(self, number: str, document: NumberDocument | None) -> _Answer:
        if document is None:
            ports = self._authority.port_requests(number, now=True)
            if len(ports) == 1 and self._rules.fetch_account_from_ports:
                return _Answer(None, f"routes to account {ports[0].account_id}, as port request {ports[0].id} says")
            return _Answer(None, "refuses: NUMBER_NOT_FOUND, there is no document and no single active port request")
        database = shards.shard_for(number) or ""
        made = entry_builder.entry_from_json(dict(document.fields), database, self._rules.policy, self._now)
        if isinstance(made, Skipped):
            return _Answer(None, f"can't be looked up: {made.reason}")
        text = describe_entry(made, number)
        if made.kind == ROUTE and self._authority.account_enabled(made.account_id) is False:
            text = f"refuses: ACCOUNT_DISABLED, account {made.account_id} is disabled (else it {text})"
        return _Answer(made, text)

    def _from_redis(self, number: str) -> _Answer:
        try:
            value = self._stores.reader.entries([number])[0]
        except redis.RedisError as problem:
            return _Answer(None, f"Redis can't be asked: {problem}")
        cached = None if value is None else codec.unpack(value)
        return _Answer(cached, "nothing kept" if cached is None else describe_entry(cached, number))

    def _pretty(self, number: str) -> tuple[str, str | None]:
        """Return the number in its class's format, as KAZOO's `pretty_print`, and the class."""
        table = self._rules.config.classifiers
        name = classifiers.classify(number, table)
        template = next((each.pretty_print for each in table if each.name == name), None)
        if template is None and number.startswith("+1"):
            template = _NORTH_AMERICAN
        return classifiers.pretty_print(number, template), name

    def _account(self, account: str | None) -> str:
        if not account:
            return ""
        name = self._names.of([account])[account]
        return f"{name} ({account})" if name else account

    def _created_by(self, account: str | None) -> str:
        return "" if account is None else f" by {account if account == SYSTEM else self._account(account)}"

    def _time(self, gregorian: int | None) -> str:
        if gregorian is None:
            return "unknown"
        seconds = to_unix(gregorian)
        try:
            date = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        except (OverflowError, ValueError, OSError):
            return f"{gregorian} (Gregorian seconds)"
        age = self._now - seconds
        return f"{date} ({_age(age)} ago)" if age >= 0 else f"{date} (in the future)"


def _is_same_answer(document: Entry | None, cached: Entry) -> bool:
    if document is None:  # no document; Redis keeps no answers from port requests
        return cached.kind in (TOMBSTONE, NEGATIVE)
    return document.same_answer(cached)


def _accounts(document: NumberDocument) -> list[str]:
    named = (document.assigned_to, document.previously_assigned_to, document.authorizing_account)
    return sorted({account for account in (*named, *document.reserve_history) if account and account != SYSTEM})


def _answer_as_json(answer: _Answer, number: str) -> dict[str, Any]:
    fields: dict[str, Any] = {"outcome": "none", "message": answer.text} | dict.fromkeys(_ANSWER_FIELDS)
    cached = answer.entry
    if cached is None:
        return fields
    fields |= {"revision": cached.revision or None, "written": cached.written}
    if cached.kind == ROUTE:
        route = pb.LookupResponse.FromString(cached.payload)
        return fields | {"outcome": "route", "account_id": route.account_id, "state": route.state or None}
    if cached.kind == REFUSAL:
        refused = codec.refusal_of(cached.payload, number)
        return fields | {"outcome": "refusal", "reason": refused.reason.value, "account_id": refused.account_id or None}
    return fields | {"outcome": "refusal", "reason": "NUMBER_NOT_FOUND"}


def _age(seconds: float) -> str:
    for length, name in _AGES:
        if seconds >= length:
            count = int(seconds // length)
            return f"{count:,} {name}{'' if count == 1 else 's'}"
    return "0 seconds"


def _block(title: str, fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return a line per field, the first one under the title."""
    lines = [f"{name}: {text}" if (text := _settings(value)) else name for name, value in fields.items()]
    return [(title if position == 0 else " ", line) for position, line in enumerate(lines)]


def _settings(value: Any) -> str:
    """Return settings as one line: name=value, and JSON for other values."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={_settings(inner)}" for name, inner in value.items())
    if isinstance(value, str):
        return value
    return orjson.dumps(value).decode()
