"""The admin address: pages, metrics, readiness."""
