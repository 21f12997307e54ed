"""The pictures of samples/ that are drawn by this project: `python -m tools.samples` draws them anew."""
