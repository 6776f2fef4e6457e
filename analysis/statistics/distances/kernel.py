"""The kernel distance (KID) between the features of one seed's images and a reference.

Lower is better. The estimate is unbiased at any n, so it may be negative.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.statistics.arrays import Floats
from analysis.statistics.kernels import as_matrix, kernel_diagonal, kernel_sums, require_width


@dataclass(frozen=True, eq=False)
class KidReference:
    """The reference of a kernel distance; made once and shared by all seeds.

    Attributes:
        features: Shape (m, d), float64.
        within: Mean kernel over all pairs of two different images of the reference.
    """

    features: Floats
    within: float

    @classmethod
    def from_features(cls, features: ArrayLike) -> "KidReference":
        """Make a reference from features of shape (m, d), m >= 2.

        Example:
            >>> KidReference.from_features([[0.0], [1.0]]).within
            1.0
        """
        x = as_matrix(features)
        rows = kernel_sums(x, x) - kernel_diagonal(x)
        return cls(x, float(rows.sum()) / (len(x) * (len(x) - 1)))


def kid(features: ArrayLike, reference: "ArrayLike | KidReference") -> float:
    """Compute the unbiased squared kernel distance (KID) over all pairs of images.

    It is unbiased at any n, so it may be negative; lower is closer. The usual implementation
    averages over random subsets, which adds noise and needs a random seed; this is the full
    estimator.

    Args:
        features: Shape (n, d), n >= 2.
        reference: A `KidReference`, or features of shape (m, d). Pass a `KidReference` if many
            seeds share the reference: the term that depends only on it is then computed once.

    Returns:
        The distance, without a unit.

    Raises:
        ValueError: If d differs from that of the reference, or the features are malformed.

    Source:
        Binkowski et al. 2018, arXiv:1801.01401, section 4 (degree 3, gamma 1/d, coefficient
        1); estimator: Gretton et al. 2012, "A Kernel Two-Sample Test", lemma 6. Checked
        against `poly_mmd` of torchmetrics and against a double loop over pairs.

    Example:
        >>> kid([[1.0], [1.0]], [[0.0], [0.0]])
        7.0
    """
    return float(kid_contributions(features, reference).mean())


def kid_contributions(features: ArrayLike, reference: "ArrayLike | KidReference") -> Floats:
    """Compute the contribution of each image to `kid`; the mean contribution is exactly `kid`.

    Returns:
        Shape (n,): the mean kernel with the seed's other images, minus twice the mean kernel
        with the reference, plus the reference's own term.

    Example:
        >>> kid_contributions([[1.0], [1.0]], [[0.0], [0.0]])
        array([7., 7.])
    """
    x, shared = as_matrix(features), as_kid_reference(reference)
    require_width(x, shared.features.shape[1])
    within = (kernel_sums(x, x) - kernel_diagonal(x)) / (len(x) - 1)
    cross = kernel_sums(x, shared.features) / len(shared.features)
    return np.asarray(within - 2 * cross + shared.within)


def as_kid_reference(reference: "ArrayLike | KidReference") -> KidReference:
    """Return a `KidReference` as it is, or make one from features.

    Example:
        >>> as_kid_reference([[0.0], [1.0]]).within
        1.0
    """
    if isinstance(reference, KidReference):
        return reference
    return KidReference.from_features(reference)
