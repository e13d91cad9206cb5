"""A stranger's package: a carrier and a feature provider for did-router."""
