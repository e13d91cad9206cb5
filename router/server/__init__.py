"""The service: sources of calls, the gRPC API, the edge, authentication and the admin address."""
