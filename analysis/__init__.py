"""What is measured on the images of a run, and what may be claimed from it."""
