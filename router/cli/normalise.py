"""The command `did-router normalise`."""

import io
import sys
from collections.abc import Iterable

import click
import orjson

from router.cli.options import Exit, settings_options
from router.lookup.origin_reader import OriginReader
from router.numbers.fields import printable
from router.numbers.normaliser import NormalisationResult, UnknownDialPlanError
from router.settings import Settings, SettingsError
from router.settings.rules import build_rules
from router.stores.clients import Stores


@click.command()
@click.option("--dial-plan", default="", metavar="NAME", help="Dial plan that the numbers were dialled under.")
@click.option("--cluster", is_flag=True, help="Use the converters from the cluster's system_config in CouchDB.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per number.")
@click.argument("numbers", nargs=-1)
@settings_options
def normalise(settings: Settings, numbers: tuple[str, ...], dial_plan: str, *, cluster: bool, as_json: bool) -> None:
    """Show how a NUMBER is normalised: E.164, the deciding rule, its class and its database.

    Numbers are arguments, or lines of standard input. Exits with 1 if one is not reconcilable.
    """
    section = OriginReader(Stores(settings).databases).configuration() if cluster else None
    normaliser = build_rules(settings, section).normaliser
    all_reconcilable = True
    for text in _texts(numbers):
        try:
            found = normaliser.explain(text, dial_plan)
        except UnknownDialPlanError as problem:
            raise SettingsError(str(problem)) from None
        all_reconcilable = all_reconcilable and found.reconcilable
        click.echo(_json(found) if as_json else _line(found))
    if not all_reconcilable:
        raise SystemExit(Exit.REFUSED)


def _texts(numbers: tuple[str, ...]) -> Iterable[str]:
    if numbers:
        return numbers
    # Text that isn't UTF-8 is refused like any other bad number; only "\n" ends a line.
    lines = io.TextIOWrapper(sys.stdin.buffer, "utf-8", errors="replace", newline="\n")
    return (line.removesuffix("\n") for line in lines)


def _json(found: NormalisationResult) -> bytes:
    fields = {
        "input": found.input,
        "number": found.number,
        "rule": found.rule,
        "reconcilable": found.reconcilable,
        "classification": found.classification,
        "database": found.database,
    }
    # A lone surrogate can't be encoded as UTF-8, and must not end the whole run.
    clean = {
        name: value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
        for name, value in fields.items()
    }
    return orjson.dumps(clean)


def _line(found: NormalisationResult) -> str:
    number = f"{printable(found.input)} → {printable(found.number)}"
    verdict = "reconcilable" if found.reconcilable else "not reconcilable"
    return (
        f"{number}  [{found.rule}]  {verdict}, {found.classification or 'no class'}, {found.database or 'no database'}"
    )
