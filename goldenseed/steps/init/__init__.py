"""Write a recipe with its card for a model of the user's own, each value with its source."""
