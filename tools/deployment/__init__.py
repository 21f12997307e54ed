"""What `make deploy` does before and after SAM: what is missing (check), and what a new stack still needs (finish)."""
