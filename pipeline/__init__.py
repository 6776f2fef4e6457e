"""From prompts to image shards: the grid, the models that draw it, and where they run."""
