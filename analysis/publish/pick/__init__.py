"""A page to keep the best images of each prompt by eye, and to export their seeds."""

from analysis.publish.pick.write import Pick, write_pick

__all__ = ["Pick", "write_pick"]
