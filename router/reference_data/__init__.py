"""Reference data: the few documents that every lookup depends on, held in memory by each worker."""
