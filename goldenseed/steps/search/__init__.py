"""Search: find good seeds by a race that draws a fraction of the images."""
