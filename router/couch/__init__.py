"""The only access to CouchDB: client, server, databases and feeds."""
