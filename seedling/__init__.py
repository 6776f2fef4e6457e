"""The embedded model family: a procedural world, the models trained on it, and their weights."""
