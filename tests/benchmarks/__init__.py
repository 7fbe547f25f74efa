"""`python -m tests.benchmarks`: figures, which gate nothing."""
