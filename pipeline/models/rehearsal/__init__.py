"""Rehearses a run's scheduler: it steps random latents, without networks or weights.

A plan so learns what would otherwise be seen when all networks are loaded: numbers of steps and
settings that the scheduler cannot sample with, and schedulers that draw noise of their own instead
of taking the generators of the seeds. Nothing is judged by name.
"""

from pipeline.models.rehearsal.refusals import rehearse
from pipeline.models.rehearsal.steps import Schedule

__all__ = ["Schedule", "rehearse"]
