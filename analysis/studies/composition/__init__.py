"""Does a seed decide where things are, and how large?"""
