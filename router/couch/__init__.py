"""CouchDB: the client, its databases and its feeds."""
