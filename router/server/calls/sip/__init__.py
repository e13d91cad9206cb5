"""SIP redirect (RFC 3261 8.3): an INVITE is answered with the address of the number's account, or with a refusal."""
