"""A world of each test's own, as the integration tests have it."""

from tests.integration.conftest import couchdb, start_service, transport, world

__all__ = ["couchdb", "start_service", "transport", "world"]
