"""The storage that the other layers build on: URLs, errors, SQLite files, AWS clients, DynamoDB tables.

It does not know what is stored.

This file imports nothing.
"""
