"""Opens Redis and CouchDB as the settings name them."""
