"""An imitation of a CouchDB cluster: several nodes in one process, each with its own copy of every database."""

from router.embedded.cluster.server import EmbeddedCluster

__all__ = ["EmbeddedCluster"]
