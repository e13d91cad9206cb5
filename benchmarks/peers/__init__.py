"""The peers of the comparison: small programs (benchmarks/README.md)."""
