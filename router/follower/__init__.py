"""The follower: follows CouchDB's changes feeds and keeps the cache up to date."""
