"""The command `did-router follow`."""

import signal

import click

from router.cli.options import server_options
from router.follower.follower import Follower
from router.runtime.service_manager import ServiceManager
from router.server.admin.follower_pages import open_follower_pages
from router.server.auth.bind_policy import check_admin_address
from router.server.maintenance import MaintenanceTimer
from router.settings import Settings
from router.stores.clients import Stores


@click.command()
@click.option(
    "--account-copies",
    "follower_account_copies",
    is_flag=True,
    default=None,
    help="Also repair the accounts' own copies of changed numbers, as the setting account_copies says.",
)
@click.option(
    "--admin",
    "follower_admin_listen",
    metavar="ADDR",
    help="Address of /metrics and /healthz (default: none).",
)
@server_options
def follow(settings: Settings) -> None:
    """Follow CouchDB's changes feeds and keep the cache up to date, until SIGTERM.

    Any number of followers may run: one holds the lease and leads; the others take over when it stops. Its lag is shown
    by the service's /state and /metrics, its own counts at the address of --admin. The leader also makes changes that
    are due by time, every maintenance_interval seconds (see did-router maintenance --help).
    """
    systemd = ServiceManager()
    stores = Stores(settings)
    follower = Follower(settings, stores)
    MaintenanceTimer(settings, stores, follower).start()
    if address := settings.follower.admin_listen:
        check_admin_address(settings, "follower_admin_listen", address)
        open_follower_pages(settings, follower, stores, address).start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: follower.ask_to_stop())
    systemd.ready()
    try:
        follower.run()
    finally:
        systemd.stopping()
