"""Validation: where callers' input becomes values, or is refused with everything that is wrong with it.

It accepts what published clients send (numbers as strings included) and names each wrong field with its place. It asks
no store; which study and mode a result belongs to is decided in `tuning.update`.
"""
