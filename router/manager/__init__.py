"""The number manager: every operation on a number, from discovery to release."""
