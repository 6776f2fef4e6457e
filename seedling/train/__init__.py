"""Training commands, one model each: `python -m seedling.train.turbo`."""
