"""Predicting many targets of the same seeds by ridge regression, honestly: nested folds."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from analysis.statistics.arrays import Floats, Indices
from analysis.statistics.bounds import Interval

PENALTIES = np.logspace(-1, 5, 13)
"""Ridge penalties to choose from; the largest predicts hardly more than the mean."""
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
    """Predictions of every seed by fits that never saw it.

    The outer folds split seeds; inside each, features are standardised, and for every target
    penalty and block are chosen by leaving out one seed at a time.

    Args:
        x: Features, shape (S, D).
        y: Targets, shape (S, T).
        rng: Draws the folds.
        blocks: See `Ridge`.
        folds: Outer folds, 2 .. S.
        repeats: Draws of folds; predictions are averaged over them.

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
            out = fold == number
            fit = Ridge(features[~out], targets[~out], blocks)
            total[out] += fit.predict(features[out])
    return total / repeats


class Ridge:
    """A ridge regression of several targets, each with the penalty and features that suit it.

    Args:
        x: Features, shape (S, D).
        y: Targets, shape (S, T).
        blocks: Columns that may be used together; a target gets the block that predicts best
            when one seed at a time is left out. All columns if there is none: where few of many
            features matter, that alone predicts badly.

    Attributes:
        coefficients: (T, D), per standard deviation of a feature; 0 outside the block.
        penalties: (T,).
        chosen: (T,) the block of each target.
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
            RidgeCV(PENALTIES, alpha_per_target=count > 1).fit(standard[:, own], targets)
            for own in columns
        ]
        scores = np.stack([np.broadcast_to(fit.best_score_, count) for fit in fits])
        self.chosen: Indices = np.asarray(scores.argmax(axis=0))
        penalties = np.stack([np.broadcast_to(fit.alpha_, count) for fit in fits])
        self.penalties: Floats = penalties[self.chosen, np.arange(count)]
        self.coefficients: Floats = np.zeros((count, features.shape[1]))
        for place, (own, fit) in enumerate(zip(columns, fits, strict=True)):
            mine = np.flatnonzero(self.chosen == place)
            weights = np.reshape(fit.coef_, (count, -1))
            self.coefficients[np.ix_(mine, own)] = weights[mine]

    def predict(self, x: ArrayLike) -> Floats:
        """Features, shape (N, D) -> predictions, shape (N, T)."""
        standard = self._standard(np.asarray(x, np.float64))
        return np.asarray(standard @ self.coefficients.T + self._level)

    def _standard(self, x: Floats) -> Floats:
        return np.asarray((x - self._mean) / self._spread)


def r_squared(y: ArrayLike, predicted: ArrayLike) -> Floats:
    """Share of the targets' variance that predictions give; negative where the mean is better.

    Args:
        y: Shape (S, T).
        predicted: Shape (S, T).

    Returns:
        Shape (T,); 0 where a target does not vary.

    Example:
        >>> r_squared([[0.0], [2.0]], [[0.5], [1.5]])
        array([0.75])
    """
    truth = np.asarray(y, np.float64)
    rest = ((truth - np.asarray(predicted)) ** 2).sum(axis=0)
    whole = ((truth - truth.mean(axis=0)) ** 2).sum(axis=0)
    return np.asarray(1 - np.divide(rest, whole, out=np.ones_like(whole), where=whole > 0))


def r_squared_interval(
    y: Floats, predicted: Floats, rng: np.random.Generator, *, level: float = 0.95
) -> Interval:
    """Interval of R2 by drawing seeds with replacement, the predictions staying as they are.

    Args:
        y: Shape (S,).
        predicted: Shape (S,).
        rng: Draws the seeds.
        level: Confidence.
    """
    places = rng.integers(0, len(y), size=(len(y), RESAMPLES))
    draws = r_squared(y[places], predicted[places])
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    value = float(r_squared(y[:, None], predicted[:, None])[0])
    method = f"bootstrap over seeds, the fits as they are, {100 * level:g} %"
    return Interval(value, float(low), float(high), len(y), method)


def correlations(x: ArrayLike, y: ArrayLike) -> Floats:
    """Correlation of every feature with every target, shape (D, T); 0 where one does not vary."""
    one, two = (_unit(np.asarray(side, np.float64)) for side in (x, y))
    return np.asarray(one.T @ two)


def _unit(values: Floats) -> Floats:
    apart = values - values.mean(axis=0)
    size = np.sqrt((apart**2).sum(axis=0))
    return np.asarray(np.divide(apart, size, out=np.zeros_like(apart), where=size > 0))


def permuted_columns(y: Floats, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Targets of permuted seeds, shape (S, count T); all targets of a seed move together."""
    orders = [rng.permutation(len(y)) for _ in range(count)]
    return np.concatenate([y[order] for order in orders], axis=1)


def welch(one: ArrayLike, two: ArrayLike, *, level: float = 0.95) -> Interval:
    """Difference of two groups' means with Welch's interval.

    Example:
        >>> difference = welch([3.0, 4.0, 5.0], [1.0, 2.0, 3.0])
        >>> difference.value, round(difference.low, 3)
        (2.0, -0.267)
    """
    a, b = np.asarray(one, dtype=np.float64), np.asarray(two, dtype=np.float64)
    ends = stats.ttest_ind(a, b, equal_var=False).confidence_interval(level)
    value, method = float(a.mean() - b.mean()), f"Welch, {100 * level:g} %"
    return Interval(value, float(ends.low), float(ends.high), len(a) + len(b), method)
