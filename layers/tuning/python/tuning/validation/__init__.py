"""Validation: where callers' input becomes values, or is refused with everything that is wrong with it.

It accepts what published clients send (numbers as strings included) and names each wrong field with its place. A
value that single precision has moved off the grid of what is suggested is put back; any other legal one is kept exactly
as given. It asks no store; which study and mode a result belongs to is decided in `tuning.update`.
"""
