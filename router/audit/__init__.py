"""The audit: compares the cache, the number databases and the account copies."""
