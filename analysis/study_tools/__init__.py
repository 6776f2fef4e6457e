"""What several studies share: measured arrays, other runs, pairs of runs, recipes."""
