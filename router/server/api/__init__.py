"""The gRPC API: servicers, messages, framing, statuses."""
