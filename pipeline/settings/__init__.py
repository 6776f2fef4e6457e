"""What a user asks for: recipes, and the run configurations that follow from them."""
