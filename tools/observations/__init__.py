"""Ratings in and out: `python -m tools.observations export | import | copy`.

It copies whole studies from one store to another, directly (`moving`) or through an archive (`archive`). It writes the
present state for other programs: as CSV (`table`) or as a storage of Optuna (`optuna`). It reads rows of people's own,
from CSV or JSON Lines, validates them (`rows`) and records them in a study (`importing`). It never changes
what a store already has.
"""
