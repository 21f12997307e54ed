"""The model: from ratings of settings to what is expected of those that nobody has rated. This file imports nothing."""
