"""Figures and contact sheets."""
