"""The service: fronts, servicers, health, admin and metrics."""
