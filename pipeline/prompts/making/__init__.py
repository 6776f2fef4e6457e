"""Makes prompts from a folder of images: from existing captions, or from a model's descriptions."""
