"""Extract features: from an image shard to a feature shard, on the executors that draw images."""
