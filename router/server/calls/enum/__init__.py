"""ENUM (RFC 6116): a DNS server whose NAPTR records name the account of a number."""
