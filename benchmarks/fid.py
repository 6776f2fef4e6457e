"""Time the Frechet distance per seed against torchmetrics.

Both sides get the same float32 features of d = 2048 and compute the distance to one reference.
Ours runs over 64 seeds in five parts, one core per seed; torchmetrics runs over one seed after each
part, with all cores. Our worker processes start before the clock does. Making our shared reference
is timed separately and counted in `ratio_with_reference`, divided by the 64 seeds; torchmetrics'
sums of the real features are computed before the clock starts.

Ours runs on scipy's OpenBLAS, torchmetrics on torch's MKL. An inherited OPENBLAS_CORETYPE limits
OpenBLAS, and so only our side, to the kernels it names; the report states its value. Without it,
OpenBLAS uses the processor's own kernels: `env -u OPENBLAS_CORETYPE python -m benchmarks.fid`.

Run: `python -m benchmarks.fid`
"""

import copy
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torchmetrics.image.fid import FrechetInceptionDistance

from analysis.statistics.distances import Reference, frechet_method
from analysis.statistics.parallel import frechet_distances
from benchmarks.harness import report

WIDTH = 2048
REAL = 5000
SEEDS = 64
PAIRS = 5
GOALS = {4000: 8.0, 1000: 30.0}
TOLERANCE = 1e-6

Features = NDArray[np.float32]
Result = TypeVar("Result")


class Passed(torch.nn.Module):
    """Passes features through, so that torchmetrics' class measures features."""

    num_features = WIDTH

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return the features."""
        return features


@dataclass(frozen=True)
class Case:
    """Result at one n; seconds are per seed."""

    n: int
    method: str
    ours: float
    peer: float
    ratio: float
    ratio_with_reference: float
    goal: float
    difference: float

    @property
    def ok(self) -> bool:
        """Whether the goal is reached and both sides agree."""
        return self.ratio >= self.goal and self.difference <= TOLERANCE


def draw(rng: np.random.Generator, mixing: Features, n: int, shift: float) -> Features:
    """Draw features like those of a network's last layer: correlated, not negative."""
    normal = rng.standard_normal((n, WIDTH), dtype=np.float32)
    return np.asarray(np.maximum(normal @ mixing + np.float32(shift), 0))


def seed_features(rng: np.random.Generator, bank: Features, count: int) -> Iterator[Features]:
    """Make features of `count` seeds: the bank with each column scaled and shifted per seed."""
    for _ in range(count):
        scale = rng.uniform(0.9, 1.1, WIDTH).astype(np.float32)
        yield bank * scale + rng.normal(0, 0.05, WIDTH).astype(np.float32)


def timed(work: Callable[[], Result]) -> tuple[float, Result]:
    """Wall seconds of one call, and its result."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def run_case(
    n: int, reference: Reference, making: float, metric: FrechetInceptionDistance, bank: Features
) -> Case:
    """Alternate a part of our seeds with one seed of torchmetrics, five times."""
    rng = np.random.default_rng(n)
    frechet_distances([bank, bank], reference)
    ours, peer, differences = [], [], []
    for part in np.array_split(np.arange(SEEDS), PAIRS):
        seeds = list(seed_features(rng, bank, len(part)))
        ours_s, distances = timed(partial(frechet_distances, seeds, reference))
        fresh = copy.deepcopy(metric)
        peer_s, distance = timed(partial(_torchmetrics, fresh, torch.from_numpy(seeds[-1])))
        peer.append(peer_s)
        ours.append(ours_s / len(part))
        differences.append(abs(distances[-1] - distance) / abs(distance))
    shared = making / SEEDS
    ratios = [b / a for a, b in zip(ours, peer, strict=True)]
    with_reference = [b / (a + shared) for a, b in zip(ours, peer, strict=True)]
    return Case(
        n=n,
        method=frechet_method(n, WIDTH),
        ours=statistics.median(ours),
        peer=statistics.median(peer),
        ratio=statistics.median(ratios),
        ratio_with_reference=statistics.median(with_reference),
        goal=GOALS[n],
        difference=max(differences),
    )


def _torchmetrics(metric: FrechetInceptionDistance, features: torch.Tensor) -> float:
    """Accumulate one seed's images and compute, as a user of the class does."""
    metric.update(features, real=False)
    return float(metric.compute())


def main() -> int:
    """Run both sizes and report the size that is further from its goal."""
    rng = np.random.default_rng(0)
    weights = np.linspace(0.2, 2, WIDTH) / np.sqrt(WIDTH)
    mixing = (rng.standard_normal((WIDTH, WIDTH)) * weights).astype(np.float32)
    real = draw(rng, mixing, REAL, 0.3)
    metric = FrechetInceptionDistance(feature=Passed(), reset_real_features=False)
    metric.set_dtype(torch.float64)
    metric.update(torch.from_numpy(real), real=True)
    making, reference = timed(partial(Reference.from_features, real))
    cases = []
    for n in GOALS:
        cases.append(run_case(n, reference, making, metric, draw(rng, mixing, n, 0.4)))
        sys.stderr.write(f"n = {n}: {cases[-1].ratio:.1f} times\n")
    worst = min(cases, key=lambda case: case.ratio / case.goal)
    return report(
        benchmark="fid",
        ours=worst.ours,
        peer=worst.peer,
        unit="s per seed",
        ratio=worst.ratio,
        goal=worst.goal,
        runs=PAIRS,
        ok=all(case.ok for case in cases),
        more={
            "n": worst.n,
            "d": WIDTH,
            "seeds": SEEDS,
            "reference_s": making,
            "openblas_coretype": os.environ.get("OPENBLAS_CORETYPE"),
            "cases": [asdict(case) for case in cases],
        },
    )


if __name__ == "__main__":
    sys.exit(main())
