"""The lifecycle of numbers: operations, states, transitions and permissions. Pure, no I/O."""
