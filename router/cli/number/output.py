"""Outcomes on numbers: a table for people, one object per line for programs."""

from collections.abc import Sequence
from typing import Any

import click
import orjson
from rich.table import Table

from router.cli import tables
from router.cli.options import Exit
from router.lifecycle.document_writer import public_fields
from router.lifecycle.errors import UNAVAILABLE
from router.manager.outcomes import Outcome
from router.numbers.documents import NumberDocument
from router.numbers.gregorian import to_unix

RECORD = (
    "number",
    "state",
    "assigned_to",
    "previously_assigned_to",
    "reserve_history",
    "module_name",
    "features",
    "public_fields",
    "ported_in",
    "used_by",
    "authorizing_account",
    "created",
    "modified",
    "revision",
)
"""Keys of a number, named as in the API's NumberRecord."""


def record(document: NumberDocument) -> dict[str, Any]:
    """Return a number under the keys of RECORD."""
    return {
        "number": document.number,
        "state": document.state,
        "assigned_to": document.assigned_to,
        "previously_assigned_to": document.previously_assigned_to,
        "reserve_history": list(document.reserve_history),
        "module_name": document.module_name,
        "features": document.features,
        "public_fields": public_fields(document),
        "ported_in": document.ported_in,
        "used_by": document.used_by,
        "authorizing_account": document.authorizing_account,
        "created": None if document.created is None else to_unix(document.created),
        "modified": None if document.modified is None else to_unix(document.modified),
        "revision": document.revision or None,
    }


def as_json(given: str, outcome: Outcome) -> dict[str, Any]:
    """Return one number's outcome, with KAZOO's error names."""
    error, document = outcome.error, outcome.document
    fields: dict[str, Any] = {
        "input": given,
        "status": status(outcome),
        "code": error.code if error is not None else None,
        "error": error.error if error is not None else None,
        "cause": error.cause or None if error is not None else None,
        "message": error.message if error is not None else None,
        "unchanged": outcome.unchanged,
        "deleted": outcome.deleted,
        "warnings": list(outcome.warnings),
    }
    shown = document is not None and error is None
    fields |= record(document) if document is not None and shown else dict.fromkeys(RECORD)
    return fields | {"number": outcome.number}


def found_json(given: str, outcome: Outcome) -> dict[str, Any]:
    """Return the outcome of a request that only reads."""
    fields = as_json(given, outcome)
    if outcome.error is not None:
        return fields
    return {**fields, "status": "found"}


def status(outcome: Outcome) -> str:
    """Return the outcome as one word."""
    if outcome.error is not None:
        return "refused"
    if outcome.deleted:
        return "deleted"
    return "unchanged" if outcome.unchanged else "done"


def show(given: Sequence[str], outcomes: Sequence[Outcome], *, dry_run: bool, as_lines: bool) -> None:
    """Print outcomes."""
    if as_lines:
        for text, outcome in zip(given, outcomes, strict=True):
            click.echo(orjson.dumps(as_json(text, outcome)))
        return
    table = Table(show_header=True, box=None, pad_edge=False)
    for title in ("number", "would be" if dry_run else "", "state", "account", "previously", "reserved by"):
        table.add_column(title, overflow="fold")
    for outcome in outcomes:
        if outcome.error is None:
            table.add_row(*_cells(outcome))
    if table.row_count:
        tables.show(table)
    for text, outcome in zip(given, outcomes, strict=True):
        if outcome.error is not None:
            click.echo(f"{outcome.number or text}: {outcome.error}", err=True)
        for warning in outcome.warnings:
            click.echo(f"{outcome.number}: {warning}", err=True)


def exit_code(outcomes: Sequence[Outcome]) -> Exit:
    """Return the exit code for these outcomes."""
    errors = [outcome.error for outcome in outcomes if outcome.error is not None]
    if any(error.cause == UNAVAILABLE for error in errors):
        return Exit.UNREACHABLE
    return Exit.REFUSED if errors else Exit.OK


def history_line(accounts: Sequence[str], name: Any = lambda account: account) -> str:
    """Return the accounts that reserved a number, first to last; a release moves it one step to the left."""
    return " ← ".join(name(account) for account in reversed(accounts))


def _cells(outcome: Outcome) -> tuple[str, ...]:
    document = outcome.document
    if document is None:
        return (outcome.number, status(outcome), "", "", "", "")
    return (
        outcome.number,
        status(outcome),
        "" if outcome.deleted else document.state or "no state",
        "" if outcome.deleted else document.assigned_to or "nobody",
        document.previously_assigned_to or "",
        history_line(document.reserve_history),
    )
