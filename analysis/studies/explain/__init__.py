"""Can the noise alone tell what a seed will do?"""
