"""Tools that several studies share: measured features, other runs, pairs of runs, recipes."""
