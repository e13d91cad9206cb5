"""Trust: which caches lookups may use now, published as one immutable value."""
