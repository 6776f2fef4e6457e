"""Define what a metric is: one value per seed with its interval, from the features of its images.

A metric is a subclass of one of four classes: `MeanMetric` for the mean of one number per image,
`ShareMetric` where that number is 0 or 1, `ReferenceMetric` for a distance from reference images,
and `Metric` for anything else.
"""

from analysis.metrics.base.means import MeanMetric, ShareMetric
from analysis.metrics.base.metric import FAILED_CELL, FLOAT64, Metric
from analysis.metrics.base.reference import (
    PERCEPTUAL_REFERENCE,
    REFERENCES_VARIABLE,
    ReferenceMetric,
    reference_name,
)

__all__ = [
    "FAILED_CELL",
    "FLOAT64",
    "PERCEPTUAL_REFERENCE",
    "REFERENCES_VARIABLE",
    "MeanMetric",
    "Metric",
    "ReferenceMetric",
    "ShareMetric",
    "reference_name",
]
