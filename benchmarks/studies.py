"""Time the slow parts of studies against limits: a map, farthest points, a jackknife with its null.

Three parts at the size of the paper's study, each with a limit in seconds:

- the map of 1,024 seeds x 200 prompts: principal components of all style vectors, t-SNE to two
  numbers per image, t-SNE of these 400 numbers per seed to two, and the same map of the permuted
  null;
- farthest point sampling of 4 of 1,024 seeds, from 100 first seeds;
- a mean metric of 1,024 seeds x 1,000 prompts: grouped jackknife errors and 1,000 permutations.

Each result is checked: planted groups of seeds are separate on the map, the chosen points equal
those of a plain loop, and the fast permutations scatter as plain permutations do.

Run: `python -m benchmarks.studies`
"""

import argparse
import sys
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from analysis.cells.cells import Sample
from analysis.metrics import load_metric
from analysis.ranking.strict_rule import deviation_errors
from analysis.statistics.arrays import Floats
from analysis.statistics.embedding import landmark_tsne, principal_scores, tsne
from analysis.statistics.owners import permute_owners, permuted_means
from analysis.study_tools.farthest_seeds import farthest_points
from benchmarks.harness import report, seconds
from pipeline.prompts.prompt_sets import Prompt

LIMITS = {"map": 60.0, "farthest_points": 1.0, "jackknife_and_null": 10.0}
"""Seconds."""
WIDTH, LANDMARKS, KINDS = 512, 2000, 4
CHOSEN, FIRSTS = 4, 100


def styles(seeds: int, prompts: int) -> NDArray[np.float32]:
    """Draw style vectors of seeds of four kinds, shape (S, P, 512)."""
    rng = np.random.default_rng(0)
    kind = 0.5 * rng.standard_normal((KINDS, 1, WIDTH), dtype=np.float32)
    vectors = rng.standard_normal((seeds, prompts, WIDTH), dtype=np.float32)
    vectors += kind[np.arange(seeds) % KINDS]
    return vectors


def seed_map(images: Floats) -> Floats:
    """Map the seeds from two numbers per image."""
    return tsne(principal_scores(images.reshape(len(images), -1), 50), random_state=0)


def maps(vectors: NDArray[np.float32], landmarks: int) -> Floats:
    """Map the run and its null; return the map of the run."""
    scores = principal_scores(vectors.reshape(-1, vectors.shape[2]), 50)
    rng = np.random.default_rng(1)
    two = landmark_tsne(scores, landmarks=landmarks, rng=rng).reshape(*vectors.shape[:2], 2)
    seed_map(np.asarray(permute_owners(two, None, rng)))
    return seed_map(two)


def neighbours_agree(points: Floats) -> float:
    """Share of the seeds whose nearest neighbour on the map is of their kind; 0.25 by chance."""
    distances = cdist(points, points)
    np.fill_diagonal(distances, np.inf)
    return float((distances.argmin(axis=1) % KINDS == np.arange(len(points)) % KINDS).mean())


def plain_points(vectors: Floats, first: int) -> list[int]:
    """Choose farthest points with a plain loop over all distances."""
    distances, chosen = cdist(vectors, vectors), [first]
    while len(chosen) < CHOSEN:
        chosen.append(int(distances[:, chosen].min(axis=1).argmax()))
    return chosen


def jackknife_and_null(values: Floats, draws: int) -> tuple[Floats, Floats]:
    """Compute the error of each seed's deviation, and the null of its mean."""
    prompts = tuple(Prompt(f"thing {i}", object=f"kind {i % 40}") for i in range(values.shape[1]))
    metric = load_metric("brightness")
    sample = Sample(tuple(range(len(values))), prompts, {metric.needs[0]: values})
    errors = deviation_errors(metric, [values], sample)
    return errors, permuted_means(values, None, np.random.default_rng(0), draws=draws)


def timed(work: Callable[[], object]) -> tuple[float, object]:
    """Seconds of one call, and its result."""
    results: list[object] = []
    return seconds(lambda: results.append(work())), results[0]


def main(argv: Sequence[str] | None = None) -> int:
    """Time the parts and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1024)
    parser.add_argument("--map-prompts", type=int, default=200)
    parser.add_argument("--prompts", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=1000)
    options = parser.parse_args(argv)
    vectors = styles(options.seeds, options.map_prompts)
    mean = vectors.mean(axis=1, dtype=np.float64)
    values = np.random.default_rng(2).normal(size=(options.seeds, options.prompts))
    times = {}
    times["map"], points = timed(lambda: maps(vectors, LANDMARKS))
    times["farthest_points"], chosen = timed(
        lambda: [farthest_points(mean, CHOSEN, first=i % len(mean)) for i in range(FIRSTS)]
    )
    times["jackknife_and_null"], result = timed(lambda: jackknife_and_null(values, options.draws))
    null = np.asarray(result[1])  # type: ignore[index]
    checks = {
        "neighbours_agree": neighbours_agree(np.asarray(points)),
        "same_points": np.asarray(chosen)[7].tolist() == plain_points(mean, 7),
        "null_sd_ratio": float(null.std() / (values.std() / np.sqrt(options.prompts))),
    }
    right = checks["neighbours_agree"] > 0.5 and abs(checks["null_sd_ratio"] - 1) < 0.05
    ratios = {name: LIMITS[name] / time for name, time in times.items()}
    slowest = min(ratios, key=lambda name: ratios[name])
    return report(
        benchmark="studies",
        ours=times[slowest],
        peer=LIMITS[slowest],
        unit=f"s of {slowest}, against its limit",
        ratio=ratios[slowest],
        goal=1.0,
        runs=1,
        ok=min(ratios.values()) >= 1 and right and bool(checks["same_points"]),
        more={"seconds": times, "limits": LIMITS, "seeds": options.seeds, **checks},
    )


if __name__ == "__main__":
    sys.exit(main())
