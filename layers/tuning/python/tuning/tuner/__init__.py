"""The tuner of scripts and notebooks: its façade, and the file that it is saved to."""
