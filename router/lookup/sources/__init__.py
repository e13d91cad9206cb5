"""The answer sources: near cache, Redis, negative ranges and origin, in the order in which lookups ask them."""
