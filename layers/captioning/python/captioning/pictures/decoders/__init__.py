"""Decoders for what Pillow alone does not read, or reads to other pixels than the file has: one module per kind.

`captioning.pictures.levels` chooses one, or Pillow's own. A module is imported with the first picture that needs it.
"""
