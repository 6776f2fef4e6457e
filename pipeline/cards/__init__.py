"""Cards: which checkpoint is loaded, from where, and the hash of each file that defines it."""
