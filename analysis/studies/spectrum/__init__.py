"""How much of the starting noise is left in the image?"""
