"""Prompts made from somebody's pictures: from captions that exist, or from a model's words."""
