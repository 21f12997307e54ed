"""Side by side: what tuning methods make of the same noisy ratings."""
