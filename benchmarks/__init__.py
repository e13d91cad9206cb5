"""Measurements that anybody can repeat (benchmarks/README.md)."""
