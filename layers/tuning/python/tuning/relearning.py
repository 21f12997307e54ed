"""Relearning: fit the surrogate's hyperparameters anew when a study has changed, without risk to what was recorded.

When it is due is decided here; the fit is `tuning.model.learning`, which costs more than a second to import and is
imported when first needed.
"""
