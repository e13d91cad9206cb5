"""did-router follow."""

import signal

import click

from router.cli.options import server_options
from router.follower.follower import Follower
from router.server.maintenance import MaintenanceTimer
from router.settings import Settings
from router.stores.clients import Stores


@click.command()
@click.option(
    "--account-copies",
    "follower_account_copies",
    is_flag=True,
    default=None,
    help="Also mend the accounts' own copies of numbers that change, by the setting account_copies.",
)
@server_options
def follow(settings: Settings) -> None:
    """Follow CouchDB's changes feeds and keep the cache true, until SIGTERM.

    Run as many as you like: one holds the lease and leads, the others stand by and take over when it falls
    silent. How far behind it is stands at the service's /state and /metrics. The one that leads also does what
    is due to numbers by time, every maintenance_interval seconds (see did-router maintenance --help).
    """
    stores = Stores(settings)
    follower = Follower(settings, stores)
    MaintenanceTimer(settings, stores, follower).start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: follower.ask_to_stop())
    follower.run()
