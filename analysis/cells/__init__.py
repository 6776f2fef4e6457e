"""Features of a run as arrays of (seeds, prompts)."""
