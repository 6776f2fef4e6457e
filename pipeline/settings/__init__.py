"""Settings: the recipes that users write, and the run configurations that follow from them."""
