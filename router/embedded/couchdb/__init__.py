"""A database with the part of CouchDB's API that did-router uses, stored in SQLite."""

from router.embedded.couchdb.server import EmbeddedCouchDB

__all__ = ["EmbeddedCouchDB"]
