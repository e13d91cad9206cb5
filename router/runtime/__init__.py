"""What any process needs: background threads, back-off, counters, CPU affinity, log rate limits."""
