"""Pictures: from bytes that somebody sent to the tensor that the encoder wants.

`reader` is the entry point: it hands each picture to a process of its own (`process`, which `protocol` lets it talk
to), where `formats` looks at the file's structure and `levels` decodes what is left of it. This file imports nothing.
"""
