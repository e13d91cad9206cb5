"""The number manager: every change of a number, from discovery to release."""
