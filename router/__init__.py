"""did-router: which account owns this inbound DID."""
