"""Options that several commands have, with one wording."""

from collections.abc import Callable
from typing import Any

import click

from router.lifecycle.operations import SYSTEM

auth_by_option = click.option(
    "--auth-by", default=SYSTEM, metavar="ID", show_default=True, help="Id of the calling account, whose rights apply."
)


def databases_option(verb: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option --database of a command that does `verb` to number databases, all by default."""
    return click.option(
        "--database",
        "databases",
        multiple=True,
        metavar="NAME",
        help=f"{verb} only this number database, such as numbers/+1415; repeatable.",
    )
