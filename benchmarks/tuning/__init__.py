"""Tuning methods side by side, on the same noisy ratings."""
