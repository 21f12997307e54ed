"""Fuzzers, which run for minutes and are no tests: of the picture reader (`make fuzz`), the API (`make fuzz-api`)."""
