"""Pictures: from the bytes that a caller sent to the encoder's input tensor.

`tensors` is the entry point. `reader` passes each picture to a separate process (`process`, by the messages of
`protocol`). There `formats` checks the file's structure and removes metadata, and `levels` decodes the rest. This file
imports nothing.
"""
