"""Figures as commands: each compares this project with a peer in one run and prints one JSON."""
