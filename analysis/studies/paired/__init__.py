"""Which of two ways of drawing is preferred, pair by pair?"""
