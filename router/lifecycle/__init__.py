"""A number's lifecycle: which operation is allowed, to which account, in which state. Pure, no I/O."""
