"""Find out what the files of a model say about it, each value with its source, without torch."""
