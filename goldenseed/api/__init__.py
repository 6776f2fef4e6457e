"""The public face in Python: runs as tables and images, and lists of seeds."""
