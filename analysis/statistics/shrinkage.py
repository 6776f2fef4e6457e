"""Shrink per-seed estimates towards their population: the best of many is partly luck."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, stats

from analysis.statistics.arrays import Floats
from analysis.statistics.bounds import Interval
from analysis.statistics.kernels import finite_vector


@dataclass(frozen=True, eq=False)
class Shrunken:
    """Effects of seeds, shrunk towards the population of seeds.

    Attributes:
        mean: Shape (S,), posterior means, in the unit of the values.
        sd: Shape (S,), posterior standard deviations, taking centre and spread as known. With few
            seeds these are uncertain themselves: if errors are as large as the spread,
            mean +- 1.96 sd covered the true effect in 92 % of cases with 64 seeds, in 94 % with
            256 and in 95 % with 1,024 (simulated).
        centre: Estimated mean of the population.
        spread: Estimated standard deviation of the true effects in the population; 0 if the
            values differ by no more than their errors explain.
    """

    mean: Floats
    sd: Floats
    centre: float
    spread: float


def shrink(values: ArrayLike, standard_errors: ArrayLike) -> Shrunken:
    """Shrink per-seed values towards their population with the normal-normal model.

    The largest of many noisy values overestimates its seed; the posterior mean is the value to
    expect on a second set of prompts.

    Args:
        values: Shape (S,), at least 2.
        standard_errors: Shape (S,), positive. All seeds share the same prompts. Prompt effects
            common to all seeds do not change ranks, so pass errors of the deviations from each
            prompt's mean over seeds.

    Returns:
        Posterior means and standard deviations.

    Raises:
        ValueError: If the shapes disagree, or an error is not positive.

    Source:
        Spread between seeds: Paule and Mandel 1982, J. Res. NBS 87; the normal-normal model
        as in Gelman et al., "Bayesian Data Analysis", section 5.4.

    Example:
        >>> shrunken = shrink([0.0, 4.0, 8.0], [1.0, 1.0, 1.0])
        >>> shrunken.mean.round(3).tolist(), round(shrunken.spread, 3)
        ([0.25, 4.0, 7.75], 3.873)
    """
    y, errors = finite_vector(values), finite_vector(standard_errors)
    if len(y) != len(errors) or len(y) < 2 or errors.min() <= 0:
        raise ValueError(
            f"{len(y)} values and {len(errors)} errors; at least 2 values are needed, each with an "
            f"error, all positive"
        )
    noise = errors**2
    tau2 = _between(y, noise)
    weights = 1 / (noise + tau2)
    centre = float((weights * y).sum() / weights.sum())
    kept = tau2 / (tau2 + noise)
    sd = np.sqrt(kept * noise)
    return Shrunken(centre + kept * (y - centre), sd, centre, float(np.sqrt(tau2)))


def scaled_to_spread(values: ArrayLike, standard_errors: ArrayLike, spread: float) -> Floats:
    """Scale standard errors by one factor, so that `shrink` finds a spread that is known.

    Args:
        values: Shape (S,), at least 2.
        standard_errors: Shape (S,), positive, right but for a factor.
        spread: Standard deviation of the true effects, at least 0 and below that of the values.

    Returns:
        The errors, shape (S,); unchanged if the values are all equal.

    Example:
        >>> errors = scaled_to_spread([0.0, 4.0, 8.0], [1.0, 1.0, 1.0], 3.0)
        >>> errors.round(3).tolist(), round(shrink([0.0, 4.0, 8.0], errors).spread, 3)
        ([2.646, 2.646, 2.646], 3.0)
    """
    y, errors = finite_vector(values), finite_vector(standard_errors)
    if np.ptp(y) == 0:
        return errors
    unit = np.log(y.var(ddof=1) / (errors**2).mean())

    def surplus(log_factor: float) -> float:
        noise = np.exp(log_factor) * errors**2
        return _weighted_squares(y, noise + spread**2) - (len(y) - 1)

    return np.asarray(errors * np.exp(optimize.brentq(surplus, unit - 60, unit + 60) / 2))


def _weighted_squares(y: Floats, variances: Floats) -> float:
    """Sum of squares around the weighted mean, weighted with inverse variances."""
    weights = 1 / variances
    centre = (weights * y).sum() / weights.sum()
    return float((weights * (y - centre) ** 2).sum())


def spread_interval(
    values: ArrayLike, standard_errors: ArrayLike, *, level: float = 0.95
) -> Interval:
    """Estimate the spread of the true effects of seeds, without sampling noise.

    Args:
        values: Shape (S,), at least 2.
        standard_errors: Shape (S,), positive; as for `shrink`.
        level: Confidence, in (0, 1).

    Returns:
        The standard deviation of the true effects, as `shrink` estimates it. At the bounds, the
        weighted sum of squares equals a quantile of its chi-square distribution. The interval
        includes 0 if noise alone explains the differences between the values.

    Source:
        The Q-profile method: Viechtbauer 2007, Statistics in Medicine 26, 37-52.

    Example:
        >>> spread = spread_interval([0.0, 4.0, 8.0], [1.0, 1.0, 1.0])
        >>> round(spread.value, 3), round(spread.low, 3), round(spread.high, 3)
        (3.873, 1.827, 25.119)
    """
    y, noise = finite_vector(values), finite_vector(standard_errors) ** 2
    spread, freedom = shrink(values, standard_errors).spread, len(y) - 1
    low, high = (
        float(np.sqrt(_between(y, noise, target=float(stats.chi2.ppf(tail, freedom)))))
        for tail in ((1 + level) / 2, (1 - level) / 2)
    )
    method = f"Paule-Mandel, Q-profile over {len(y)} seeds, {100 * level:g} %"
    return Interval(spread, low, high, len(y), method)


def _between(y: Floats, noise: Floats, *, target: float | None = None) -> float:
    """Between-seed variance at which the weighted sum of squares is `target`, by default S - 1."""
    wanted = len(y) - 1 if target is None else target

    def surplus(tau2: float) -> float:
        return _weighted_squares(y, noise + tau2) - wanted

    if surplus(0.0) <= 0:
        return 0.0
    upper = float(len(y) * np.ptp(y) ** 2 * max(1.0, 1 / wanted))
    return float(optimize.brentq(surplus, 0.0, upper, xtol=1e-300))
