"""What studies can take and what they cost, computed: `make scale` writes docs/scale.md."""
