"""Tuning: learn from ratings which image-enhancement API and which parameters please people, and suggest the next.

Use cases: `tuning.proposals.suggest`, `tuning.ratings.update`, `tuning.progress.summarize`, `tuning.history.browse`.
This file imports nothing, so that each function pays only for what it uses.
"""
