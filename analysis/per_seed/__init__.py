"""Compute the table `per_seed.parquet` of a run: one row per seed, metric and prompt set."""

from analysis.per_seed.parts import MeasureStage, Part
from analysis.per_seed.rows import finite_refusal, group_refusal, groups_refusal
from analysis.per_seed.table import SETS, measure, metric_identity, read_per_seed

__all__ = [
    "SETS",
    "MeasureStage",
    "Part",
    "finite_refusal",
    "group_refusal",
    "groups_refusal",
    "measure",
    "metric_identity",
    "read_per_seed",
]
