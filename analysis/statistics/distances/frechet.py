"""The Frechet distance between the features of one seed's images and a reference.

Lower is better; the unit is the squared unit of the features. The estimate is biased upwards by
about 1/n, so distances are comparable only at equal n.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy
from numpy.typing import ArrayLike

from analysis.statistics.arrays import Floats
from analysis.statistics.kernels import as_matrix, require_width

Method = Literal["full", "low_rank"]


@dataclass(frozen=True, eq=False)
class Reference:
    """The Gaussian that a Frechet distance compares with; made once and shared by all seeds.

    Attributes:
        mean: Shape (d,), float64.
        covariance: Shape (d, d), float64, with divisor n - 1.
        root: Shape (d, d), float64, Fortran order, upper triangular, with root.T @ root equal
            to `covariance`. The eigenvalues of root @ S @ root.T are those of the symmetric form
            covariance^1/2 @ S @ covariance^1/2, and a triangular matrix halves the arithmetic.
        n: Number of images that the moments were computed from.
    """

    mean: Floats
    covariance: Floats
    root: Floats
    n: int

    @classmethod
    def from_features(cls, features: ArrayLike) -> "Reference":
        """Make a reference from features of shape (n, d).

        Example:
            >>> Reference.from_features([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]]).n
            3
        """
        x = as_matrix(features)
        mean, centred = _centre(x)
        upper = scipy.linalg.blas.dsyrk(1 / (len(x) - 1), centred.T)
        return cls.from_moments(mean, upper + np.triu(upper, 1).T, len(x))

    @classmethod
    def from_moments(cls, mean: ArrayLike, covariance: ArrayLike, n: int) -> "Reference":
        """Make a reference from stored moments.

        Args:
            mean: Shape (d,).
            covariance: Shape (d, d), symmetric and positive semi-definite, divisor n - 1.
            n: Number of images that the moments were computed from.

        Raises:
            ValueError: If the shapes disagree, or the covariance is not symmetric.
        """
        mu = np.asarray(mean, dtype=np.float64)
        sigma = np.asarray(covariance, dtype=np.float64)
        if sigma.shape != (mu.size, mu.size):
            raise ValueError(f"covariance has shape {sigma.shape}; the mean has {mu.size} entries")
        if not np.allclose(sigma, sigma.T, rtol=1e-9, atol=1e-12 * np.abs(sigma).max()):
            raise ValueError("covariance is not symmetric")
        values, vectors = scipy.linalg.eigh(sigma)
        values[values <= rounding_floor(values)] = 0
        scaled = np.sqrt(values)[:, None] * vectors.T
        triangle = scipy.linalg.qr(scaled, mode="r")[0]
        return cls(mu, sigma, np.asfortranarray(np.triu(triangle)), n)


def frechet_method(n: int, d: int) -> Method:
    """Say which exact form `frechet_distance` uses: "full" for n > d, otherwise "low_rank".

    Both forms give the same number. "low_rank" also says that n is so small that the distance
    may only be compared with distances at exactly this n.

    Example:
        >>> frechet_method(4000, 2048), frechet_method(1000, 2048)
        ('full', 'low_rank')
    """
    return "full" if n > d else "low_rank"


def frechet_distance(features: ArrayLike, reference: Reference) -> float:
    """Compute the squared Frechet distance between two Gaussians fitted to features.

    |mu_s - mu_r|^2 + tr S_s + tr S_r - 2 tr (S_r^1/2 S_s S_r^1/2)^1/2, exact in float64. For
    n > d the symmetric d x d form is used; for n <= d the n x n form, which has the same non-zero
    eigenvalues. Distances are comparable only at equal n and with the same reference; lower is
    closer.

    Args:
        features: Shape (n, d), n >= 2.
        reference: From features of the same d.

    Returns:
        The distance, at least 0, in squared units of the features.

    Raises:
        ValueError: If d differs from that of the reference, or the features are malformed.

    Source:
        Heusel et al. 2017, arXiv:1706.08500, equation 6; low-rank form: Mathiasen and
        Hvilshoj 2020, arXiv:2009.14075. Checked against the general eigenvalues that
        torchmetrics uses and against scipy's matrix square root.

    Example:
        >>> reference = Reference.from_features([[0.0], [2.0]])
        >>> frechet_distance([[3.0], [5.0]], reference)
        9.0
    """
    x = as_matrix(features)
    require_width(x, reference.mean.size)
    mean, centred = _centre(x)
    shift = mean - reference.mean
    spread = float(np.vdot(centred, centred)) / (len(x) - 1)
    total = float(shift @ shift) + spread + float(np.trace(reference.covariance))
    return max(total - 2 * _root_trace(centred, reference.root), 0.0)


def frechet_contributions(features: ArrayLike, reference: Reference) -> Floats:
    """Compute the first-order contribution of each image to the Frechet distance of its seed.

    phi(x) = 2 (mu_s - mu_r).(x - mu_s) + (x - mu_s)'(I - T)(x - mu_s), where T is the optimal
    transport map S_r^1/2 (S_r^1/2 S_s S_r^1/2)^-1/2 S_r^1/2 from S_s to S_r. To first order in
    1/n, the variance of the mean contribution is the variance of the distance. If the two
    Gaussians nearly agree, the first-order term vanishes and the variance is overestimated: see
    `frechet_interval`.

    Args:
        features: Shape (n, d), n > d.
        reference: From features of the same d.

    Returns:
        Shape (n,), float64, in squared units of the features; not centred.

    Raises:
        ValueError: If n <= d: S_s is then singular, and T is not defined.

    Source:
        The derivative of the Bures distance between Gaussians; Rippl, Munk and Sturm 2016,
        "Limit laws of the empirical Wasserstein distance: Gaussian distributions",
        arXiv:1507.04090.

    Example:
        >>> reference = Reference.from_features([[0.0], [2.0]])
        >>> frechet_contributions([[3.0], [5.0]], reference)
        array([-6.,  6.])
    """
    x = as_matrix(features)
    require_width(x, reference.mean.size)
    n, d = x.shape
    if n <= d:
        raise ValueError(f"contributions need n > d; found n = {n}, d = {d}")
    mean, centred = _centre(x)
    projected = centred @ reference.root.T
    values, vectors = scipy.linalg.eigh(projected.T @ projected / (n - 1))
    inverse = np.zeros_like(values)
    kept = values > rounding_floor(values)
    inverse[kept] = values[kept] ** -0.25
    carried = centred @ (reference.root.T @ (vectors * inverse))
    linear = 2 * centred @ (mean - reference.mean)
    quadratic = np.einsum("ij,ij->i", centred, centred) - np.einsum("ij,ij->i", carried, carried)
    return np.asarray(linear + quadratic)


def _centre(x: Floats) -> tuple[Floats, Floats]:
    """Return the mean over rows, and the rows minus the mean, in C order."""
    mean = x.mean(axis=0)
    return mean, np.subtract(x, mean, order="C")


def _root_trace(centred: Floats, root: Floats) -> float:
    """Compute the trace of (root S root.T)^1/2, where S is the covariance of the centred rows.

    `centred.T` is in Fortran order, so no product copies it. LAPACK's sygst computes root S root.T
    in d^3 operations; two general products would take 4 d^3.
    """
    n, d = centred.shape
    if frechet_method(n, d) == "full":
        covariance = scipy.linalg.blas.dsyrk(1 / (n - 1), centred.T)
        matrix = scipy.linalg.lapack.dsygst(covariance, root, itype=2, overwrite_a=1)[0]
    else:
        product = scipy.linalg.blas.dtrmm(1.0, root, centred.T)
        matrix = scipy.linalg.blas.dsyrk(1 / (n - 1), product, trans=1)
    return root_sum(matrix)


def root_sum(upper: Floats) -> float:
    """Sum the square roots of the eigenvalues of a positive semi-definite matrix.

    Eigenvalues below the rounding error of the largest one count as 0. The covariance of centred
    rows has at least one eigenvalue that is exactly 0; it is computed as about 1e-16, whose root
    would add 1e-8.

    Args:
        upper: Shape (k, k); only the upper triangle is read, and the array is overwritten.

    Example:
        >>> root_sum(np.diag([4.0, 9.0, 1e-17]))
        5.0
    """
    values = scipy.linalg.eigvalsh(upper, lower=False, overwrite_a=True, check_finite=False)
    return float(np.sqrt(values[values > rounding_floor(values)]).sum())


def rounding_floor(ascending: Floats) -> float:
    """Size below which an eigenvalue is indistinguishable from 0.

    Args:
        ascending: Shape (k,), the eigenvalues in ascending order.
    """
    return len(ascending) * float(np.finfo(np.float64).eps) * max(float(ascending[-1]), 0.0)
