"""The did-router command."""

import click

from router.cli.audit import audit
from router.cli.check import check
from router.cli.demo import demo
from router.cli.embedded import embedded
from router.cli.explain import explain
from router.cli.follow import follow
from router.cli.lookup import lookup
from router.cli.normalise import normalise
from router.cli.options import Group
from router.cli.serve import serve
from router.cli.warm import warm


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="did-router")
def main() -> None:
    """Which account owns this inbound DID?

    Try it without installing anything else:   did-router demo

    \b
    With your own CouchDB and Redis:
      export DID_ROUTER_COUCHDB_URL=http://user:password@127.0.0.1:5984
      export DID_ROUTER_REDIS_URL=redis://127.0.0.1:6379/0
      did-router check                   are they what the router needs?
      did-router warm                    fill the cache
      did-router serve --with-follower   answer lookups, keep the cache true
      did-router lookup 4158867900       ask
      did-router explain 4158867900      ask why

    Exit codes: 0 done or found, 1 refused or differing, 2 wrong usage, 3 something can't be reached.
    """  # noqa: D301 - \b is click's mark for lines that stay as they are


for command in (demo, embedded, serve, follow, warm, audit, normalise, lookup, explain, check):
    main.add_command(command)
