"""Fuzzing the reader of pictures: `make fuzz`, which takes SECONDS (600), EACH (pictures of each format, in place of a
time), SEED (any) and ONLY (a picture's number).

Pictures of all formats that are read (`seeds`) are taken apart into the pieces that their formats know (`pieces`),
mutated there and as bytes (`mutations`), and given to `captioning.pictures.tensors.read_picture`, whose answers are
judged and held against plain Pillow's (`judge`, `plain`).

Picture number N of seed S is always the same one: `make fuzz SEED=S ONLY=N` makes it, judges it and keeps it. What is
found is written to build/fuzz, a file per find, and the run fails. A find is mended in `captioning.pictures`, and
becomes a test in tests/unit/captioning/pictures/test_finds.py.
"""
