"""Captioning: say in words what a picture shows.

The use cases are in `captioning.captions` and `captioning.uploads`. This file imports nothing, so that each function
loads only what it uses.
"""
