"""The values that Redis holds for a number: encoding, decoding, and building them from a number document."""
