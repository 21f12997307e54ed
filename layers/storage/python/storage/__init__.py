"""The ground floor of storage: URLs, and what becomes of files. It knows nothing of what is stored.

This file imports nothing.
"""
