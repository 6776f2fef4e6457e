"""Ranks seeds, confirms them on the second prompt set, and says how many chance would confirm."""
