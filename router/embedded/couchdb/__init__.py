"""A database that speaks the part of CouchDB's API that did-router uses, kept in SQLite."""

from router.embedded.couchdb.server import EmbeddedCouchDB

__all__ = ["EmbeddedCouchDB"]
