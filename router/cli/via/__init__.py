"""The other ways of asking a running service: HTTP, SIP redirect and ENUM, as a switch asks."""
