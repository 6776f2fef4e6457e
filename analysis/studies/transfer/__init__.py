"""Do golden seeds carry over to another model or another way of drawing?"""
