"""The edge: Envoy in front of the workers. It ends TLS, bounds what strangers can do and balances calls."""
