"""Names of the protocols by which lookups and other requests come, as labels have them."""

GRPC, HTTP, SIP, ENUM = "grpc", "http", "sip", "enum"
ADMIN = "admin"
"""Of the admin pages, which answer no lookups."""
