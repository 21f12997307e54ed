"""The functions: one folder per Lambda function, and what several of them are built on.

Each parses, calls one use case, and answers. A folder's `app` is the entry point that Lambda imports.
"""
