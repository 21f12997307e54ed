"""The local stack with limits of one's own, in front of a function that does as it is told."""
