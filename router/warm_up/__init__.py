"""The warm-up: fills the cache from the number databases."""
