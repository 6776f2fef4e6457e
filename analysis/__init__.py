"""Measure the images of a run, and find out what the numbers support."""
