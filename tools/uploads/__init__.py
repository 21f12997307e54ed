"""Uploads, for people who run a stack: what became of them (list), and the dead letters given again (redrive)."""
