"""What we are compared with: small honest programs (benchmarks/README.md)."""
