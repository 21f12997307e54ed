"""Ratings in and out: `python -m tools.observations export | import | copy`.

Whole studies move from store to store, at once (`moving`) or by way of an archive (`archive`). For other programs the
present state is a CSV file (`table`) or a storage of Optuna (`optuna`). What people have in tables or in JSON Lines of
their own is judged (`rows`) and recorded in a study (`importing`).
"""
