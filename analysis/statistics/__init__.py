"""Pure float64 statistics: distances, intervals, nulls, variance shares and reliability.

Functions take arrays and return numbers. None of them reads a file, draws from a global random
stream or needs torch. Each result that is published carries its method and its n.
"""
