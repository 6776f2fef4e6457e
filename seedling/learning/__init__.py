"""What the training commands share: the loop, the optimiser, losses, batches of scenes."""
