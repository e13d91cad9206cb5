"""Stores of each test's own, as the integration tests have them."""

from tests.integration.conftest import couchdb, start_service, stores, transport

__all__ = ["couchdb", "start_service", "stores", "transport"]
