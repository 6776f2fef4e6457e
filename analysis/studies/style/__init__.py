"""Do seeds fall into groups by the style of their images?"""
