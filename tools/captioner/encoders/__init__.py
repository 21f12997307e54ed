"""The picture encoders that captioners were trained on: which there are, their weights, and the one that is meant."""
