"""The number manager's configuration of the cluster, read from CouchDB."""

from typing import Any

from router.couch.errors import NotFoundError
from router.couch.server import CouchServer
from router.numbers import system_config
from router.numbers.kazoo_databases import NUMBER_MANAGER, SYSTEM_CONFIG


def read_cluster_configuration(couch: CouchServer) -> dict[str, Any] | None:
    """Return the `default` section of system_config's number_manager; None where there is none.

    Raises:
        CouchError: CouchDB can't be asked.
    """
    try:
        return system_config.default_section(couch.database(SYSTEM_CONFIG).get(NUMBER_MANAGER))
    except NotFoundError:
        return None
