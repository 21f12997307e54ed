"""The model: a bundle's parts, read, checked and run. This file imports nothing."""
