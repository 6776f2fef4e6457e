"""A run folder and its grid of cells."""
