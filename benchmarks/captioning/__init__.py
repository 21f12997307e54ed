"""Captioning side by side: the way of the original service, in Keras, and ours, over one and the same model.

`make bench-captioning DATA=folder` runs it and writes docs/benchmarks/captioning.md and captioning.svg. `original` runs
in the tools' environment, which has TensorFlow, `ours` in the benchmarks', which has what the functions have.
"""
