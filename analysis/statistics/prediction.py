"""Predict many targets of the same seeds by ridge regression, with nested cross-validation."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from analysis.statistics.arrays import Floats, Indices
from analysis.statistics.bounds import Interval

PENALTIES = np.logspace(-1, 5, 13)
"""Ridge penalties to choose from; with the largest, predictions are close to the mean."""
RESAMPLES = 1000


def held_out(
    x: ArrayLike,
    y: ArrayLike,
    rng: np.random.Generator,
    *,
    blocks: Sequence[Indices] = (),
    folds: int = 5,
    repeats: int = 3,
) -> Floats:
    """Predict each seed with fits on other seeds only.

    The outer folds split the seeds. Within each fold the features are standardised, and for each
    target the penalty and the block are chosen by leave-one-out cross-validation over seeds.

    Args:
        x: Features, shape (S, D).
        y: Targets, shape (S, T).
        rng: Draws the folds.
        blocks: See `Ridge`.
        folds: Number of outer folds, 2 .. S.
        repeats: Number of random splits into folds; predictions are averaged over them.

    Returns:
        Shape (S, T).

    Source:
        Nested cross-validation: Varma and Simon 2006, "Bias in error estimation when using
        cross-validation for model selection".
    """
    features, targets = np.asarray(x, np.float64), np.asarray(y, np.float64)
    total = np.zeros_like(targets)
    for _ in range(repeats):
        fold = rng.permutation(np.arange(len(features)) % folds)
        for number in range(folds):
            unseen = fold == number
            fit = Ridge(features[~unseen], targets[~unseen], blocks)
            total[unseen] += fit.predict(features[unseen])
    return total / repeats


class Ridge:
    """A ridge regression of several targets, each with its own penalty and block of features.

    Args:
        x: Features, shape (S, D).
        y: Targets, shape (S, T).
        blocks: Sets of columns to choose from; each target gets the block with the best
            leave-one-out score. Without blocks, all columns are used, which predicts badly if
            few of many features matter.

    Attributes:
        coefficients: Shape (T, D), per standard deviation of a feature; 0 outside the block.
        penalties: Shape (T,), the penalty of each target.
        chosen: Shape (T,), the block of each target.
    """

    def __init__(self, x: ArrayLike, y: ArrayLike, blocks: Sequence[Indices] = ()) -> None:
        from sklearn.linear_model import RidgeCV

        features, targets = np.asarray(x, np.float64), np.asarray(y, np.float64)
        self._mean, spread = features.mean(axis=0), features.std(axis=0)
        self._spread = np.where(spread > 0, spread, 1.0)
        self._level = targets.mean(axis=0)
        count, standard = targets.shape[1], self._standard(features)
        columns = [*blocks] or [np.arange(features.shape[1])]
        fits = [
            RidgeCV(PENALTIES, alpha_per_target=count > 1).fit(standard[:, block], targets)
            for block in columns
        ]
        scores = np.stack([np.broadcast_to(fit.best_score_, count) for fit in fits])
        self.chosen: Indices = np.asarray(scores.argmax(axis=0))
        penalties = np.stack([np.broadcast_to(fit.alpha_, count) for fit in fits])
        self.penalties: Floats = penalties[self.chosen, np.arange(count)]
        self.coefficients: Floats = np.zeros((count, features.shape[1]))
        for number, (block, fit) in enumerate(zip(columns, fits, strict=True)):
            rows = np.flatnonzero(self.chosen == number)
            weights = np.reshape(fit.coef_, (count, -1))
            self.coefficients[np.ix_(rows, block)] = weights[rows]

    def predict(self, x: ArrayLike) -> Floats:
        """Predict the targets, shape (N, T), from features of shape (N, D)."""
        standard = self._standard(np.asarray(x, np.float64))
        return np.asarray(standard @ self.coefficients.T + self._level)

    def _standard(self, x: Floats) -> Floats:
        return np.asarray((x - self._mean) / self._spread)


def r_squared(y: ArrayLike, predicted: ArrayLike) -> Floats:
    """Share of each target's variance that the predictions explain; negative if the mean is better.

    Args:
        y: Shape (S, T).
        predicted: Shape (S, T).

    Returns:
        Shape (T,); 0 if a target does not vary.

    Example:
        >>> r_squared([[0.0], [2.0]], [[0.5], [1.5]])
        array([0.75])
    """
    truth = np.asarray(y, np.float64)
    rest = ((truth - np.asarray(predicted)) ** 2).sum(axis=0)
    total = ((truth - truth.mean(axis=0)) ** 2).sum(axis=0)
    return np.asarray(1 - np.divide(rest, total, out=np.ones_like(total), where=total > 0))


def r_squared_interval(
    y: Floats, predicted: Floats, rng: np.random.Generator, *, level: float = 0.95
) -> Interval:
    """Percentile bootstrap interval of R2 over seeds, with the predictions held fixed.

    Args:
        y: Shape (S,).
        predicted: Shape (S,).
        rng: Draws the seeds.
        level: Confidence, in (0, 1).
    """
    resampled = rng.integers(0, len(y), size=(len(y), RESAMPLES))
    draws = r_squared(y[resampled], predicted[resampled])
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    value = float(r_squared(y[:, None], predicted[:, None])[0])
    method = f"bootstrap over seeds, the fits as they are, {100 * level:g} %"
    return Interval(value, float(low), float(high), len(y), method)


def correlations(x: ArrayLike, y: ArrayLike) -> Floats:
    """Correlation of each feature with each target, shape (D, T); 0 if either does not vary."""
    features, targets = (_unit(np.asarray(side, np.float64)) for side in (x, y))
    return np.asarray(features.T @ targets)


def _unit(values: Floats) -> Floats:
    centred = values - values.mean(axis=0)
    size = np.sqrt((centred**2).sum(axis=0))
    return np.asarray(np.divide(centred, size, out=np.zeros_like(centred), where=size > 0))


def permuted_columns(y: Floats, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Permute the seeds `count` times: targets of shape (S, count T), moved together per seed."""
    orders = [rng.permutation(len(y)) for _ in range(count)]
    return np.concatenate([y[order] for order in orders], axis=1)


def welch(first: ArrayLike, second: ArrayLike, *, level: float = 0.95) -> Interval:
    """Mean of the first group minus mean of the second, with Welch's interval.

    Example:
        >>> difference = welch([3.0, 4.0, 5.0], [1.0, 2.0, 3.0])
        >>> difference.value, round(difference.low, 3)
        (2.0, -0.267)
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    ends = stats.ttest_ind(a, b, equal_var=False).confidence_interval(level)
    value, method = float(a.mean() - b.mean()), f"Welch, {100 * level:g} %"
    return Interval(value, float(ends.low), float(ends.high), len(a) + len(b), method)
