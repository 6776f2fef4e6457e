"""Which part of a seed decides the image: the starting noise or the noise of the steps?"""
