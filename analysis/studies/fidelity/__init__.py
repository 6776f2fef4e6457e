"""Does a pool of golden seeds draw better images than random seeds?"""
