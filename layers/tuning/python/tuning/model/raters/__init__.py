"""Raters: what single ratings say of settings once it is known who rated, and on which picture. It imports nothing."""
