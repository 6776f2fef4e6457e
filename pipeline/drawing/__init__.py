"""Drawing a grid: tiles become image shards."""
