"""Cache entries: the values that Redis holds, their encoding, and their building from documents."""
