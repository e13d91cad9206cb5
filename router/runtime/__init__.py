"""Tools of every process: background threads, back-off, counters, CPU affinity, log rate limits."""
