"""Distances between the features of one seed's images and those of a reference."""

from analysis.statistics.distances.frechet import (
    Reference,
    frechet_contributions,
    frechet_distance,
    frechet_method,
    root_sum,
)
from analysis.statistics.distances.kernel import (
    KidReference,
    as_kid_reference,
    kid,
    kid_contributions,
)

__all__ = [
    "KidReference",
    "Reference",
    "as_kid_reference",
    "frechet_contributions",
    "frechet_distance",
    "frechet_method",
    "kid",
    "kid_contributions",
    "root_sum",
]
