"""Estimate what work costs: time of GPUs and of CPU cores, and room on the disk."""
