"""The update function: records ratings and learns. This file imports nothing."""
