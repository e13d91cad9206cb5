"""The did-router command."""

from importlib import import_module

import click

from router.cli.options import Group

COMMANDS = (
    "audit",
    "check",
    "console",
    "demo",
    "edge-config",
    "embedded",
    "explain",
    "export",
    "follow",
    "import",
    "lookup",
    "maintenance",
    "normalise",
    "number",
    "recent",
    "serve",
    "token",
    "warm",
)
"""Each is a module of this package and a function in it (`import_`, since `import` is a keyword)."""


class Commands(Group):
    """Imports a command's module when it is used: a lookup need not wait for a server's imports."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands' names."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, or None if there is none of that name."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        name = "import_" if cmd_name == "import" else cmd_name.replace("-", "_")
        command: click.Command = getattr(import_module(f"router.cli.{name}"), name)
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="did-router")
def main() -> None:
    """Find the account that owns an inbound DID.

    Try it without installing anything else:   did-router demo

    \b
    With your own CouchDB and Redis:
      export DID_ROUTER_COUCHDB_URL=http://user:password@127.0.0.1:5984
      export DID_ROUTER_REDIS_URL=redis://127.0.0.1:6379/0
      did-router check                   check the settings and the stores
      did-router warm                    fill the cache
      did-router serve --with-follower   answer lookups, keep the cache up to date
      did-router lookup 4158867900       look a number up
      did-router explain 4158867900      see how the answer came about
      did-router number --help           create, move, release numbers
      did-router console                 see health, routes and numbers in a browser

    Exit codes: 0 success, 1 refused or different, 2 wrong usage, 3 something can't be reached.
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
