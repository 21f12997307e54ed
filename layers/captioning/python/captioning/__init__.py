"""Captioning: say in words what a picture shows.

The use case is `captioning.captions.caption_picture`. This file imports nothing, so that each function pays only for
what it uses.
"""
