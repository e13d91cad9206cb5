"""The admin address of a process that only follows: its metrics."""

from router.follower.follower import Follower
from router.server.admin.follower_metrics import FollowerMetrics
from router.server.admin.metrics import build_registry, exposition
from router.server.admin.pages import TEXT, AdminServer
from router.server.auth.authorizer import open_authorizer
from router.server.auth.tls_files import open_certificates
from router.settings import Settings
from router.stores.clients import Stores


def open_follower_pages(settings: Settings, follower: Follower, stores: Stores, address: str) -> AdminServer:
    """Return the server of a follower's admin address.

    Raises:
        SettingsError: a token file or a certificate can't be used.
    """
    registry = build_registry(FollowerMetrics(follower, stores))
    pages = {
        "/healthz": lambda _: (200, TEXT, b"alive\n"),
        "/metrics": lambda _: (200, TEXT, exposition(registry)),
    }
    return AdminServer(address, pages, open_authorizer(settings), open_certificates(settings))
