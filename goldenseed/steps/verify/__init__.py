"""Read a run back and compare every file that a result depends on with its hash."""
