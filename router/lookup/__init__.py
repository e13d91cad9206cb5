"""The answer to which account owns a number, a batch at a time."""
