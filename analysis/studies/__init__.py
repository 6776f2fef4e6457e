"""Studies: what is found in a run, one file per finding. A study never draws an image."""
