"""The near cache: finished answers in a worker's memory, and what keeps them true."""
