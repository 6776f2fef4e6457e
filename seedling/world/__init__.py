"""The procedural world: scenes with exact ground truth, and the sentences that describe them."""
