"""Fuzzers, which run for minutes and are no tests: of the picture reader (`make fuzz`) and API (`make fuzz-api`)."""
