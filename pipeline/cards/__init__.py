"""Cards: which checkpoint is loaded, from where, and the hash of every file that counts."""
