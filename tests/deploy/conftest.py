"""Tests of deploy/: each file is checked by the tool that is made for it, where the tool is installed."""

from tests.cli.conftest import couchdb, service

__all__ = ["couchdb", "service"]
