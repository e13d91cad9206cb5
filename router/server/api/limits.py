"""Limits of the API that every transport keeps."""

MAX_MESSAGE_BYTES = 1 << 20
"""Maximum size of a request; a longer one is refused with RESOURCE_EXHAUSTED."""
