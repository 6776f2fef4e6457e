"""How many images does a race need to find the good seeds?"""
