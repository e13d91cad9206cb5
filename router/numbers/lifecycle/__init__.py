"""A number's life: who may do what to it, in which state, and what it becomes. Pure, as all of `numbers`."""
