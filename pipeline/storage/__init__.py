"""The files of a run: a store that never overwrites, shards and receipts, and table schemas."""
