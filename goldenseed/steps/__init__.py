"""The steps of the path, for the command and for scripts: recipe to runs, run to results."""
