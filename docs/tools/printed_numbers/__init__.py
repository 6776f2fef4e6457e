"""Recompute the numbers that the documents print from the tables of the repository."""
