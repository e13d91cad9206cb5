"""Names of KAZOO's own databases and documents that decide how numbers route; `shards` names those of the numbers."""

ACCOUNTS = "accounts"
PORT_REQUESTS = "port_requests"
SYSTEM_CONFIG = "system_config"

REFERENCE_DATABASES = (ACCOUNTS, PORT_REQUESTS, SYSTEM_CONFIG)
"""Databases that are held whole in Redis, and followed like number databases."""

NUMBER_MANAGER = "number_manager"
"""The document of `system_config` with the settings of numbers."""

MANAGED_DATABASE = "numbers/managed"
"""Stock of the carrier `knm_managed`; no routing shard."""

INUM_DATABASE = "numbers/inum"
"""Stock of the carrier `knm_inum`; no routing shard."""
