"""Benchmarks, run by make from the repository's root; they write docs/benchmarks/."""
