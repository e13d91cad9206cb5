"""Following the changes feeds, so that the cache stays true."""
