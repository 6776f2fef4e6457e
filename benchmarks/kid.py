"""Time KID per seed against torch-fidelity.

Ours uses all pairs of images and computes the reference's own term once for all seeds. Both sides
get the same float32 features of d = 2048. torch-fidelity averages 100 random subsets of 1,000, its
default, so it scatters around the full estimator; a check with a single subset of all images shows
that both are the same quantity. Making our reference is timed separately and counted, divided by
64 seeds.

Run: `python -m benchmarks.kid`
"""

import argparse
import sys
from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch_fidelity.metric_kid import kid_features_to_metric

from analysis.statistics.distances import KidReference, kid
from benchmarks.harness import alternate, report_ratio, seconds

SEEDS = 64
GOAL = 1.0
TOLERANCE = 1e-6

Features = NDArray[np.float32]


def draw(rng: np.random.Generator, n: int, width: int, shift: float) -> Features:
    """Draw features that are not negative, as pooled features are."""
    normal = rng.standard_normal((n, width), dtype=np.float32)
    return np.asarray(np.maximum(normal + np.float32(shift), 0))


def fidelity(features: torch.Tensor, real: torch.Tensor, subsets: int, size: int) -> float:
    """Compute torch-fidelity's KID from features."""
    metrics = kid_features_to_metric(
        features, real, kid_subsets=subsets, kid_subset_size=size, verbose=False
    )
    return float(metrics["kernel_inception_distance_mean"])


def difference(features: Features, real: Features) -> float:
    """Relative difference of both sides if both use all pairs, in float64."""
    n = min(len(features), len(real))
    x, y = features[:n].astype(np.float64), real[:n].astype(np.float64)
    theirs = fidelity(torch.from_numpy(x), torch.from_numpy(y), 1, n)
    return abs(kid(x, y) - theirs) / abs(theirs)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--real", type=int, default=5000)
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--subset", type=int, default=1000)
    parser.add_argument("--pairs", type=int, default=5)
    chosen = parser.parse_args(arguments)
    rng = np.random.default_rng(0)
    real = draw(rng, chosen.real, chosen.width, 0.3)
    seed = draw(rng, chosen.images, chosen.width, 0.4)
    making = seconds(partial(KidReference.from_features, real))
    reference = KidReference.from_features(real)
    tensors = torch.from_numpy(seed), torch.from_numpy(real)
    ours = partial(kid, seed, reference)
    peer = partial(fidelity, *tensors, 100, chosen.subset)
    ours()
    timings = alternate(ours, peer, chosen.pairs)
    relative = difference(seed, real)
    return report_ratio(
        "kid",
        timings.ours_median + making / SEEDS,
        timings.peer_median,
        unit="s per seed",
        goal=GOAL,
        runs=chosen.pairs,
        right=relative <= TOLERANCE,
        more={
            "n": chosen.images,
            "reference_n": chosen.real,
            "d": chosen.width,
            "reference_s": making,
            "difference": relative,
        },
    )


if __name__ == "__main__":
    sys.exit(main())
