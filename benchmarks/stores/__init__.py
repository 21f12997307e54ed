"""The benchmark of the observation stores: `make bench-stores`."""
