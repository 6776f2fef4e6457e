"""Pure float64 statistics: distances, intervals, nulls, variance shares and reliability.

Nothing here reads a file, draws from a global random stream or needs torch: arrays in, numbers
out. Every result that leaves a run carries its method and its n.
"""
