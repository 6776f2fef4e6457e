"""Prompts: where they come from, which set and group each belongs to, and the images they bring."""
