"""Distances between the features of one seed's images and a reference.

Both distances are lower-is-better, in squared units of the features. The Frechet distance is
biased upwards by about 1/n and is comparable only at equal n; the kernel distance is unbiased.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg
from scipy.linalg import blas, lapack

from analysis.statistics.arrays import Floats
from analysis.statistics.kernels import as_matrix, kernel_diagonal, kernel_sums, require_width

Method = Literal["full", "low_rank"]


@dataclass(frozen=True, eq=False)
class Reference:
    """The Gaussian a Frechet distance compares with; made once and shared by all seeds.

    Attributes:
        mean: Shape (d,), float64.
        covariance: Shape (d, d), float64, with divisor n - 1.
        root: Shape (d, d), float64, Fortran order, upper triangular: root.T @ root equals
            `covariance`. The eigenvalues of root @ S @ root.T are those of the symmetric form
            covariance^1/2 @ S @ covariance^1/2, and a triangle costs half the arithmetic.
        n: Number of images behind it.
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
        upper = blas.dsyrk(1 / (len(x) - 1), centred.T)
        return cls.from_moments(mean, upper + np.triu(upper, 1).T, len(x))

    @classmethod
    def from_moments(cls, mean: ArrayLike, covariance: ArrayLike, n: int) -> "Reference":
        """Make a reference from stored moments.

        Args:
            mean: Shape (d,).
            covariance: Shape (d, d), symmetric and positive semi-definite, divisor n - 1.
            n: Number of images behind the moments.

        Raises:
            ValueError: If the shapes disagree, or the covariance is not symmetric.
        """
        mu = np.asarray(mean, dtype=np.float64)
        sigma = np.asarray(covariance, dtype=np.float64)
        if sigma.shape != (mu.size, mu.size):
            raise ValueError(f"covariance has shape {sigma.shape}; the mean has {mu.size} entries")
        if not np.allclose(sigma, sigma.T, rtol=1e-9, atol=1e-12 * np.abs(sigma).max()):
            raise ValueError("covariance is not symmetric")
        values, vectors = linalg.eigh(sigma)
        values[values <= rounding_floor(values)] = 0
        scaled = np.sqrt(values)[:, None] * vectors.T
        triangle = linalg.qr(scaled, mode="r")[0]
        return cls(mu, sigma, np.asfortranarray(np.triu(triangle)), n)


def frechet_method(n: int, d: int) -> Method:
    """Which exact form `frechet_distance` takes: "full" for n > d, otherwise "low_rank".

    Both forms give the same number; "low_rank" also says that n is too small for anything but
    a comparison at this very n.

    Example:
        >>> frechet_method(4000, 2048), frechet_method(1000, 2048)
        ('full', 'low_rank')
    """
    return "full" if n > d else "low_rank"


def frechet_distance(features: ArrayLike, reference: Reference) -> float:
    """Squared Frechet distance between two Gaussians fitted to features.

    |mu_s - mu_r|^2 + tr S_s + tr S_r - 2 tr (S_r^1/2 S_s S_r^1/2)^1/2, exact in float64. With
    n > d the d x d symmetric form is taken, with n <= d the n x n form with the same non-zero
    eigenvalues. Comparable only at equal n and under one reference; lower is nearer.

    Args:
        features: Shape (n, d), n >= 2.
        reference: From features of the same d.

    Returns:
        The distance, at least 0, in squared units of the features.

    Raises:
        ValueError: If d differs from the reference's, or features are malformed.

    Source:
        Heusel et al. 2017, arXiv:1706.08500, equation 6; low-rank form: Mathiasen and
        Hvilshoj 2020, arXiv:2009.14075. Checked against torchmetrics' and scipy's general
        eigenvalue and square-root forms.

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
    """First-order share of every image in the Frechet distance of its seed.

    phi(x) = 2 (mu_s - mu_r).(x - mu_s) + (x - mu_s)'(I - T)(x - mu_s), with T the transport
    map S_r^1/2 (S_r^1/2 S_s S_r^1/2)^-1/2 S_r^1/2 that carries S_s to S_r. The variance of
    their mean is that of the distance to first order in 1/n. Where the two Gaussians nearly
    agree the first order vanishes, and the variance is overstated: see `frechet_interval`.

    Args:
        features: Shape (n, d), n > d.
        reference: From features of the same d.

    Returns:
        Shape (n,), float64, in squared units of the features; not centred.

    Raises:
        ValueError: If n <= d: S_s then has no inverse on the space it must be carried from.

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
    values, vectors = linalg.eigh(projected.T @ projected / (n - 1))
    inverse = np.zeros_like(values)
    kept = values > rounding_floor(values)
    inverse[kept] = values[kept] ** -0.25
    carried = centred @ (reference.root.T @ (vectors * inverse))
    linear = 2 * centred @ (mean - reference.mean)
    quadratic = np.einsum("ij,ij->i", centred, centred) - np.einsum("ij,ij->i", carried, carried)
    return np.asarray(linear + quadratic)


@dataclass(frozen=True, eq=False)
class KidReference:
    """The reference side of the kernel distance; made once and shared by all seeds.

    Attributes:
        features: Shape (m, d), float64.
        within: Mean kernel over all pairs of two different reference images.
    """

    features: Floats
    within: float

    @classmethod
    def from_features(cls, features: ArrayLike) -> "KidReference":
        """Make the reference side from features of shape (m, d), m >= 2.

        Example:
            >>> KidReference.from_features([[0.0], [1.0]]).within
            1.0
        """
        x = as_matrix(features)
        rows = kernel_sums(x, x) - kernel_diagonal(x)
        return cls(x, float(rows.sum()) / (len(x) * (len(x) - 1)))


def kid(features: ArrayLike, reference: "ArrayLike | KidReference") -> float:
    """Unbiased squared kernel distance (KID) over all pairs, no random subsets.

    Unbiased at any n, so it can be negative; lower is nearer. The usual practice averages
    over random subsets, which adds noise and needs a seed; this is the full estimator.

    Args:
        features: Shape (n, d), n >= 2.
        reference: A `KidReference`, or features of shape (m, d). Pass the former where many
            seeds share it: its own term is then computed once.

    Returns:
        The distance, no unit.

    Raises:
        ValueError: If the widths differ or features are malformed.

    Source:
        Binkowski et al. 2018, arXiv:1801.01401, section 4 (degree 3, gamma 1/d, coefficient
        1); estimator: Gretton et al. 2012, "A Kernel Two-Sample Test", lemma 6. Checked
        against torchmetrics' `poly_mmd` and a double loop.

    Example:
        >>> kid([[1.0], [1.0]], [[0.0], [0.0]])
        7.0
    """
    return float(kid_contributions(features, reference).mean())


def kid_contributions(features: ArrayLike, reference: "ArrayLike | KidReference") -> Floats:
    """Share of every image in `kid`; their mean is `kid` exactly.

    Returns:
        Shape (n,): the mean kernel with the seed's other images, less twice the mean kernel
        with the reference, plus the reference's own term.

    Example:
        >>> kid_contributions([[1.0], [1.0]], [[0.0], [0.0]])
        array([7., 7.])
    """
    x, shared = as_matrix(features), as_kid_reference(reference)
    require_width(x, shared.features.shape[1])
    own = (kernel_sums(x, x) - kernel_diagonal(x)) / (len(x) - 1)
    cross = kernel_sums(x, shared.features) / len(shared.features)
    return np.asarray(own - 2 * cross + shared.within)


def as_kid_reference(reference: "ArrayLike | KidReference") -> KidReference:
    """The reference side itself, or made from features.

    Example:
        >>> as_kid_reference([[0.0], [1.0]]).within
        1.0
    """
    if isinstance(reference, KidReference):
        return reference
    return KidReference.from_features(reference)


def _centre(x: Floats) -> tuple[Floats, Floats]:
    """Mean over rows, and the rows less the mean, in C order."""
    mean = x.mean(axis=0)
    return mean, np.subtract(x, mean, order="C")


def _root_trace(centred: Floats, root: Floats) -> float:
    """Trace of (root S root.T)^1/2 with S the covariance of centred rows.

    `centred.T` is in Fortran order, so no product copies it. LAPACK's sygst makes root S root.T
    in d^3 operations where two general products take 4 d^3.
    """
    n, d = centred.shape
    if frechet_method(n, d) == "full":
        covariance = blas.dsyrk(1 / (n - 1), centred.T)
        matrix = lapack.dsygst(covariance, root, itype=2, overwrite_a=1)[0]
    else:
        matrix = blas.dsyrk(1 / (n - 1), blas.dtrmm(1.0, root, centred.T), trans=1)
    return root_sum(matrix)


def root_sum(upper: Floats) -> float:
    """Sum of the square roots of the eigenvalues of a symmetric matrix without negative ones.

    Eigenvalues below the rounding error of the largest count as 0. A centred matrix has at
    least one that is truly 0; the root of the rounding in its place, 1e-16, would be 1e-8.

    Args:
        upper: Shape (k, k), of which the upper triangle is read; overwritten.

    Example:
        >>> root_sum(np.diag([4.0, 9.0, 1e-17]))
        5.0
    """
    values = linalg.eigvalsh(upper, lower=False, overwrite_a=True, check_finite=False)
    return float(np.sqrt(values[values > rounding_floor(values)]).sum())


def rounding_floor(ascending: Floats) -> float:
    """Size below which an eigenvalue is the rounding error of the largest, shape (k,)."""
    return len(ascending) * float(np.finfo(np.float64).eps) * max(float(ascending[-1]), 0.0)
