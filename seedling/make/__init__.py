"""Commands that write shipped data: prompts, pairs, outlines, reference features."""
