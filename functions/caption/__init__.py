"""The captioning functions, of one image: caption, status and upload. This file imports nothing."""
