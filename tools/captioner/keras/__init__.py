"""Captioners as Keras saved them: their files, their layers, and the network that runs them. Keras reads none of it."""
