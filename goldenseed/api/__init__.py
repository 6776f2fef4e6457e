"""The public face in Python."""
