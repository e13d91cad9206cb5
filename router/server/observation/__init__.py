"""Counts and records of the service's calls."""
