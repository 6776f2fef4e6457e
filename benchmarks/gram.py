"""Measure the memory of principal components of style vectors against scikit-learn.

Both sides get the style vectors of N images at VGG-19's five layers from the same function: maps
with planted styles, and their cosine-normalised Gram matrices. The network is part of neither side.
scikit-learn takes the N x 610,304 matrix and `svd_solver="full"`; ours reads blocks of images and
holds at most two blocks, at half width. Each side runs in its own process, whose peak memory is the
operating system's number for the whole process, including Python and libraries. The subspaces are
compared by the cosines of their principal angles.

Run: `python -m benchmarks.gram`
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.dual_pca import dual_pca, principal_axes, principal_cosines
from benchmarks.harness import report_ratio

CHANNELS = (64, 128, 256, 512, 512)
STYLES, POSITIONS = 12, 64
COMPONENTS = 8
GOAL, LEAST_COSINE = 10.0, 1 - 1e-6

Rows = NDArray[np.float32]


def maps(index: int, layer: int, channels: int) -> Rows:
    """Make the maps of an image in one layer; the image's style scales the mixing."""
    mixing = np.random.default_rng([1, layer]).standard_normal((STYLES, channels), np.float32)
    rng = np.random.default_rng([2, index])
    style = rng.standard_normal(STYLES) * 1.5 ** -np.arange(STYLES)
    scene = np.random.default_rng([3, layer]).standard_normal((POSITIONS, STYLES), np.float32)
    noise = 0.1 * np.random.default_rng([4, index, layer]).standard_normal((POSITIONS, channels))
    return np.maximum((scene * np.exp(style)) @ mixing + noise, 0).astype(np.float32)


def gram(index: int, layer: int, channels: int) -> Rows:
    """The cosines between channels, shape (C, C)."""
    drawn = maps(index, layer, channels)
    unit = drawn / np.maximum(np.linalg.norm(drawn, axis=0), 1e-12)
    return np.asarray(unit.T @ unit)


def whole(index: int, channels: Sequence[int]) -> Rows:
    """The style vector of an image, with all entries of each matrix."""
    return np.concatenate([gram(index, layer, c).ravel() for layer, c in enumerate(channels)])


def halved(index: int, channels: Sequence[int]) -> Rows:
    """The style vector without the lower triangles; off-diagonal entries are scaled by sqrt(2)."""
    parts = []
    for layer, width in enumerate(channels):
        row, column = np.triu_indices(width)
        weight = np.where(row == column, 1, np.sqrt(2)).astype(np.float32)
        parts.append(gram(index, layer, width)[row, column] * weight)
    return np.concatenate(parts)


def unfolded(axes: NDArray[np.float64], channels: Sequence[int]) -> NDArray[np.float64]:
    """Convert components of halved vectors to components of whole vectors."""
    parts, start = [], 0
    for width in channels:
        row, column = np.triu_indices(width)
        part = axes[:, start : start + len(row)] / np.where(row == column, 1, np.sqrt(2))
        square = np.zeros((len(axes), width, width))
        square[:, row, column] = square[:, column, row] = part
        parts.append(square.reshape(len(axes), -1))
        start += len(row)
    return np.concatenate(parts, axis=1)


def ours(n: int, channels: Sequence[int], block: int) -> NDArray[np.float64]:
    """Compute components from blocks, at half width."""

    def rows(start: int, stop: int) -> Rows:
        return np.stack([halved(index, channels) for index in range(start, stop)])

    pca = dual_pca(rows, n, components=COMPONENTS, block=block)
    return principal_axes(rows, pca, block=block)


def peer(n: int, channels: Sequence[int], _block: int) -> NDArray[np.float64]:
    """Compute components from all vectors, with scikit-learn's full solver."""
    from sklearn.decomposition import PCA

    matrix = np.empty((n, sum(c * c for c in channels)), dtype=np.float32)
    for index in range(n):
        matrix[index] = whole(index, channels)
    return np.asarray(PCA(COMPONENTS, svd_solver="full").fit(matrix).components_)


def side(name: str, target: Path, n: int, channels: Sequence[int], block: int) -> None:
    """Run one side, write its components, print its seconds and its peak memory."""
    start = time.perf_counter()
    axes = {"ours": ours, "peer": peer}[name](n, channels, block)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    np.save(target, axes)
    sys.stdout.write(json.dumps({"seconds": seconds, "bytes": peak}) + "\n")


def in_its_own_process(arguments: Sequence[str]) -> dict[str, float]:
    """Run one side in a process of its own."""
    process = subprocess.run(
        [sys.executable, "-m", "benchmarks.gram", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    costs: dict[str, float] = json.loads(process.stdout.splitlines()[-1])
    return costs


def main(argv: Sequence[str] | None = None) -> int:
    """Run both sides and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=256)
    parser.add_argument("--block", type=int, default=16)
    parser.add_argument("--channels", type=int, nargs="+", default=CHANNELS)
    parser.add_argument("--side", choices=["ours", "peer"])
    parser.add_argument("--target", type=Path)
    options = parser.parse_args(argv)
    if options.side:
        side(options.side, options.target, options.n, options.channels, options.block)
        return 0
    common = ["--n", str(options.n), "--block", str(options.block), "--channels"]
    common += [str(width) for width in options.channels]
    costs, axes = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("ours", "peer"):
            target = Path(folder) / f"{name}.npy"
            costs[name] = in_its_own_process([*common, "--side", name, "--target", str(target)])
            axes[name] = np.load(target)
    cosine = float(principal_cosines(unfolded(axes["ours"], options.channels), axes["peer"]).min())
    return report_ratio(
        "gram",
        costs["ours"]["bytes"] / 2**20,
        costs["peer"]["bytes"] / 2**20,
        unit="MiB at the peak of the process",
        goal=GOAL,
        runs=1,
        right=cosine >= LEAST_COSINE,
        more={
            "n": options.n,
            "d": sum(width * width for width in options.channels),
            "components": COMPONENTS,
            "least_cosine": cosine,
            "seconds": {name: costs[name]["seconds"] for name in costs},
        },
    )


if __name__ == "__main__":
    sys.exit(main())
