"""Which seeds are golden by one metric and by two, and are they again?"""
