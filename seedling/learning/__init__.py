"""Shared code of the training commands: the loop, the optimiser, losses, batches of scenes."""
