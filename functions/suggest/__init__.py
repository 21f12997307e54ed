"""The suggest function: reads about tuning, and the pages. This file imports nothing."""
