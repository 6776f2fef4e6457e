"""Does the starting noise of a seed predict its images?"""
