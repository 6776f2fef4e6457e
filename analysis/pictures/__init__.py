"""Figures of studies, and contact sheets of images."""
