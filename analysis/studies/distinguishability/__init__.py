"""Does an image give away its seed?"""
