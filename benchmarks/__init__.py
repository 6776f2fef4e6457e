"""Benchmarks as commands: each times this project and a peer in one run and prints one JSON."""
