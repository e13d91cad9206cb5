"""The command `did-router number`: the number manager on the command line."""

from importlib import import_module

import click

_COMMANDS = {
    "create": "commands",
    "reserve": "commands",
    "move": "commands",
    "release": "commands",
    "delete": "commands",
    "update": "commands",
    "assign-to-app": "commands",
    "show": "show",
    "list": "list_",
    "history": "history",
}
"""Command → its module, imported when it is used."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        module = _COMMANDS.get(cmd_name)
        if module is None:
            return None
        found = getattr(import_module(f"{__name__}.{module}"), f"{cmd_name.replace('-', '_')}_number")
        assert isinstance(found, click.Command)  # noqa: S101 - for the type checker
        return found


@click.group(cls=_Commands)
def number() -> None:
    """Create, reserve, move, release, delete, update and show numbers.

    Works on the number databases directly (--couchdb-url), updates the cache at once and keeps the accounts' own
    copies, by the rules of KAZOO's number manager. Numbers may be written as people write them.

    \b
    A number's lifecycle, with account ids in $PARENT and $CHILD:
      did-router number create  --assign-to $PARENT 4158867900
      did-router number reserve --assign-to $PARENT 4158867900
      did-router number move    --assign-to $CHILD --auth-by $PARENT 4158867900
      did-router number update  --field prepend.enabled=true --field prepend.name=Sales 4158867900
      did-router number show    4158867900
      did-router number release --auth-by $CHILD 4158867900   back to the account that reserved it before
      did-router number history 4158867900

    \b
    Many numbers, from a file with one per line:
      did-router number move --assign-to $CHILD --file numbers.txt

    Exit codes: 0 all done, 1 some refused, 2 wrong usage, 3 something can't be reached.
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
