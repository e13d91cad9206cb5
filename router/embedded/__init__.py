"""A Redis and a CouchDB-speaking database that need no installing."""
