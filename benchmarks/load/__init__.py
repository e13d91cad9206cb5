"""The load generator, in C: benchmarks.generator compiles and runs it."""
