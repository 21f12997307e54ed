"""The functions: one folder per container image, and the modules that several of them share.

Each parses, calls one use case, and answers. A folder's `app` is the entry point that Lambda imports.
"""
