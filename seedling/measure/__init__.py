"""Commands that measure how good the models are."""
