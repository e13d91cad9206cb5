"""Tongues: the ways in which a lookup, or another request, comes."""

GRPC, HTTP, SIP, ENUM = "grpc", "http", "sip", "enum"
ADMIN = "admin"
"""Of the admin pages, which answer no lookups."""
