"""From an image shard and a feature to a feature shard, on the executors that draw."""
