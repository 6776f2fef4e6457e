"""Files of a run: a store that never overwrites, shards with their receipts, and what they hold."""
